"""Hooks of mkdocs: pages from outside docs/, links to sources, and a check that pages load nothing.

`extra.outside` of mkdocs.yml lists files of the repository that are pages of the site. A link to any other file of
the repository becomes a link to `repo_url` if mkdocs.yml has one, and its text alone otherwise: a site cannot serve
sources.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])+)\]\(([^)\s#:]+)(#[^)\s]*)?\)")
FENCE = re.compile(r"(^```.*?^```)", re.DOTALL | re.MULTILINE)
LOADED = re.compile(r"<(?:script|img|iframe|audio|video|source)\b[^>]*\bsrc=\"?(?:https?:)?//[^>]*>")
LINKED = re.compile(r"<link\b(?=[^>]*rel=\"?(?:stylesheet|preconnect|preload|icon))[^>]*href=\"?(?:https?:)?//[^>]*>")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie outside docs/."""
    for page, source in config.extra["outside"].items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the page with links that the site can follow."""
    outside = config.extra["outside"]
    source = outside.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    pages = {**{path: name for name, path in outside.items()}, **{f"docs/{one.src_uri}": one.src_uri for one in files}}

    def follow(link: re.Match[str]) -> str:
        words, target, anchor = link[1], link[2], link[3] or ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if path in pages:
            relative = posixpath.relpath(pages[path], posixpath.dirname(page.file.src_uri) or ".")
            return f"[{words}]({relative}{anchor})"
        if not (ROOT / path).exists():
            raise PluginError(f"{source}: links to {target}, which is not there")
        return f"[{words}]({config.repo_url}/blob/main/{path}{anchor})" if config.repo_url else words

    parts = FENCE.split(markdown)
    return "".join(part if part.startswith("```") else LINK.sub(follow, part) for part in parts)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:  # noqa: ARG001 -- mkdocs passes it
    """Refuse a page that loads something from another server."""
    found = LOADED.search(output) or LINKED.search(output)
    if found:
        raise PluginError(f"{page.file.src_uri}: loads a resource from another server: {found[0]}")
    return output
