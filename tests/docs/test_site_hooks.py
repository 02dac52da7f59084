"""The hooks of the documentation site, on a site of two pages: links out of docs/, and resources from other servers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "site_name": "two pages",
    "theme": {"name": None, "custom_dir": "theme"},
    "extra": {"outside": {"contributing.md": "CONTRIBUTING.md"}},
    "use_directory_urls": False,
    "strict": True,
    "plugins": [],
    "markdown_extensions": ["fenced_code"],
}


@pytest.fixture
def site(tmp_path):
    """Return a function that builds a site with the given first page, and returns that page in HTML."""

    def make(text, **settings):
        docs = tmp_path / "docs"
        (docs / "hooks").mkdir(parents=True)
        (tmp_path / "theme").mkdir()
        (tmp_path / "theme" / "main.html").write_text("<html>{{ page.content }}</html>")
        (docs / "index.md").write_text(text)
        (docs / "hooks" / "loss.md").write_text(
            "# Loss\n\n[home](../index.md), [how to change it](../../CONTRIBUTING.md)\n"
        )
        chosen = {**SETTINGS, "hooks": [str(ROOT / "docs" / "site_hooks.py")], **settings}
        (tmp_path / "mkdocs.yml").write_text(json.dumps(chosen))
        config = load_config(str(tmp_path / "mkdocs.yml"))
        build(config)
        return (tmp_path / "site" / "index.html").read_text()

    return make


def test_a_file_outside_docs_that_is_a_page_is_linked(site, tmp_path):
    assert '<a href="contributing.html#commits">rules</a>' in site("[rules](../CONTRIBUTING.md#commits)")
    assert 'href="../contributing.html"' in (tmp_path / "site" / "hooks" / "loss.html").read_text()
    assert "Where things are</h2>" in (tmp_path / "site" / "contributing.html").read_text()


def test_a_source_is_text_where_no_repository_is_known(site):
    page = site("see [`errors.py`](../core/src/nnplug/errors.py)\n\n```\n[kept](../core/x.py)\n```\n")
    assert "<p>see <code>errors.py</code></p>" in page
    assert "[kept](../core/x.py)" in page


def test_a_source_is_a_link_where_the_repository_is_known(site):
    page = site("[errors](../core/src/nnplug/errors.py#L3)", repo_url="https://example.org/nnplug")
    assert '<a href="https://example.org/nnplug/blob/main/core/src/nnplug/errors.py#L3">errors</a>' in page


def test_a_link_to_nothing_is_refused(site, caplog):
    with pytest.raises(Abort):
        site("[errors](../core/gone.py)")
    assert "docs/index.md: links to ../core/gone.py, which is not there" in caplog.text


@pytest.mark.parametrize(
    "tag",
    [
        '<img src="https://example.org/badge.svg">',
        '<script src="//example.org/a.js"></script>',
        '<link href="https://example.org/a.css" rel="stylesheet">',
    ],
)
def test_a_page_that_loads_from_another_server_is_refused(site, caplog, tag):
    with pytest.raises(Abort):
        site(tag)
    assert f"index.md: loads a resource from another server: {tag.split()[0]}" in caplog.text


def test_a_link_to_a_heading_that_is_not_there_is_refused(site):
    with pytest.raises(Abort):
        site("[loss](hooks/loss.md#no-such-heading)", validation={"anchors": "warn"})
