"""The files for people who carry on: the first change applies, workflows and templates are valid, targets exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml"))
PAGES = [ROOT / name for name in ("CONTRIBUTING.md", "AGENTS.md", "README.md", ".github/pull_request_template.md")]


def run(*command, **options):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **options)


def tool(name):
    """The path of a program of the environment; a missing one skips the test with the reason."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        pytest.skip(f"{name} is not installed; requirements-dev.txt has it")
    return str(path)


def targets():
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_the_first_change_applies_to_the_sources():
    diffs = re.findall(r"```diff\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert len(diffs) == 2
    for diff in diffs:
        checked = run("git", "apply", "--check", "-", input=diff)
        assert checked.returncode == 0, f"the change of CONTRIBUTING.md no longer applies: {checked.stderr}"


def made_by(text):
    """The targets that code spans, blocks and steps of workflows call `make` with."""
    calls = re.findall(r"(?:`|^ *|run: *)make ([^`#&\n]*)", text, re.MULTILINE)
    return {word for call in calls for word in call.split() if "=" not in word}


@pytest.mark.parametrize("page", [*PAGES, *WORKFLOWS], ids=lambda path: path.name)
def test_every_target_of_make_exists(page):
    missing = made_by(page.read_text()) - targets()
    assert not missing, f"{page.name} names {sorted(missing)}"


def test_targets_of_make_are_found():
    assert made_by("`make lint types`\nmake demo  # words\n  - run: make docs PYTHON=python") == {
        "lint",
        "types",
        "demo",
        "docs",
    }


def test_workflows_are_valid_by_their_schema():
    checked = run(tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *map(str, WORKFLOWS))
    assert checked.returncode == 0, checked.stdout


def test_workflows_have_no_known_weakness():
    checked = run(tool("zizmor"), "--offline", "--no-progress", "--min-severity=medium", *map(str, WORKFLOWS))
    assert checked.returncode == 0, checked.stdout


def test_workflows_test_every_python_that_is_declared():
    pythons = yaml.safe_load((GITHUB / "workflows" / "ci.yml").read_text())["jobs"]["tests"]["strategy"]["matrix"][
        "python"
    ]
    assert pythons == ["3.11", "3.12", "3.13"]


@pytest.mark.parametrize("form", [path for path in FORMS if path.name != "config.yml"], ids=lambda path: path.name)
def test_forms_of_issues_have_what_github_demands(form):
    content = yaml.safe_load(form.read_text())
    assert {"name", "description", "body"} <= content.keys()
    fields = [field for field in content["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)


def test_the_citation_has_the_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == (ROOT / "VERSION").read_text().strip()


def test_a_report_of_a_fault_asks_for_the_doctor():
    assert "nnplug doctor --json" in (GITHUB / "ISSUE_TEMPLATE" / "bug.yml").read_text()


def test_large_files_and_images_are_refused(tmp_path):
    (tmp_path / "case.nii.gz").write_bytes(b"x")
    (tmp_path / "large.bin").write_bytes(bytes(1_000_001))
    (tmp_path / "small.py").write_text("x = 1\n")
    checked = run(sys.executable, str(GITHUB / "check_files.py"), *map(str, sorted(tmp_path.iterdir())))
    assert checked.returncode == 1
    assert "case.nii.gz: images and weights" in checked.stderr
    assert "large.bin: 1.0 MB; expected at most 1 MB" in checked.stderr
    assert "small.py" not in checked.stderr


def test_no_file_of_the_repository_is_refused():
    files = run("git", "ls-files").stdout.splitlines()
    checked = run(sys.executable, str(GITHUB / "check_files.py"), *files)
    assert checked.returncode == 0, checked.stderr
