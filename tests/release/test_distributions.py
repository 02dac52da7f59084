"""What every distribution says of itself, and which files its wheel and sdist take: read, not built."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from release.distributions import COMMAND, ROOT, Distribution, distributions, version

DISTRIBUTIONS = distributions()
NAMES = {distribution.name: distribution for distribution in DISTRIBUTIONS}
FIELDS = ("description", "readme", "license", "license-files", "authors", "classifiers", "urls")

every_distribution = pytest.mark.parametrize("one", DISTRIBUTIONS, ids=lambda one: one.name)


def tracked(folder: Path) -> Iterator[Path]:
    """The files under a folder that git knows or would add; links to folders are followed."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "."]
    done = subprocess.run(listed, cwd=folder, capture_output=True, text=True, check=True)
    for name in filter(None, done.stdout.split("\0")):
        path = folder / name
        if path.is_dir():
            yield from (path / inner.relative_to(path.resolve()) for inner in tracked(path.resolve()))
        elif path.exists():
            yield path


def included(builder: type, one: Distribution) -> dict[str, Path]:
    """Path in the archive -> file, as hatchling takes them."""
    return {file.distribution_path: Path(file.path) for file in builder(str(one.folder)).recurse_included_files()}


def test_make_sets_up_every_distribution():
    (line,) = re.findall(r"^DISTRIBUTIONS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {ROOT / name for name in line.split()} == {one.folder for one in DISTRIBUTIONS}


@every_distribution
def test_the_version_is_that_of_the_file(one):
    assert one.project["dynamic"] == ["version"]
    metadata = ProjectMetadata(str(one.folder), PluginManager())
    assert (metadata.version, metadata.core.name) == (version(), canonicalize_name(one.name))
    assert str(Version(version())) == version()


@every_distribution
def test_an_index_gets_what_people_look_for(one):
    assert [field for field in FIELDS if not one.project.get(field)] == []
    assert one.project["requires-python"] == ">=3.11"
    assert one.pyproject["build-system"]["requires"] == ["hatchling>=1.27"]  # the first that writes these fields
    pythons = [f"Programming Language :: Python :: {minor}" for minor in ("3.11", "3.12", "3.13")]
    wanted = {*pythons, "Topic :: Scientific/Engineering :: Medical Science Apps.", "Typing :: Typed"}
    assert wanted <= set(one.project["classifiers"])
    assert one.project["classifiers"] == sorted(one.project["classifiers"])
    assert ProjectMetadata(str(one.folder), PluginManager()).core.license_expression.startswith("Apache-2.0")


@every_distribution
def test_the_licence_is_the_file_of_the_repository(one):
    licence = one.folder / "LICENSE"
    assert not licence.is_symlink()  # an archive would hold a link to nowhere
    assert licence.read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert all((one.folder / name).is_file() for name in one.project["license-files"])


@every_distribution
def test_the_readme_stands_alone(one):
    text = (one.folder / "README.md").read_text()
    assert text.startswith(f"# {one.name}\n")
    assert re.findall(r"\]\((?!https?://)[^)]*\)", text) == []  # links that lead nowhere on an index


@every_distribution
def test_wheels_have_the_package_and_nothing_else(one):
    found = included(WheelBuilder, one)
    files = {str(file.relative_to(one.folder / "src")) for file in tracked(one.package)}
    assert set(found) == files
    assert f"{one.package.name}/py.typed" in found


def test_data_files_are_in_the_wheels():
    wanted = {
        "nnplug": "nnplug_cli/template/pyproject.toml nnplug_cli/every_kind/src/nnplug_foreign/plugin.py",
        "nnplug-report": "nnplug_report/templates/report.html nnplug_report/static/niivue.umd.js",
        "nnplug-runtime": "nnplug_runtime/ops/crop.py",
    }
    for name, files in wanted.items():
        assert set(files.split()) <= set(included(WheelBuilder, NAMES[name]))


@every_distribution
def test_sdists_have_licence_readme_sources_and_tests_as_files(one):
    found = included(SdistBuilder, one)
    assert [name for name, path in found.items() if path.is_symlink()] == []
    inside = f"tests/{one.folder.relative_to(ROOT)}"
    tests = {str(file.relative_to(ROOT)) for file in tracked(ROOT / inside)}
    files = {str(file.relative_to(one.folder)) for file in tracked(one.package)}
    prefix = next(iter(found)).partition("/")[0] + "/"
    names = {name.removeprefix(prefix) for name in found}
    assert any(Path(name).name.startswith("test_") for name in tests)
    assert {"README.md", "pyproject.toml", "tests/conftest.py", *tests, *files} <= names


@every_distribution
def test_ranges_between_distributions_are_open_and_hold_this_version(one):
    now = Version(version())
    for requirement in map(Requirement, one.requirements()):
        if canonicalize_name(requirement.name) in NAMES:
            parts = {part.operator: Version(part.version) for part in requirement.specifier}
            assert set(parts) == {">=", "<"}, requirement
            assert requirement.specifier.contains(now)
            assert (parts[">="].release[:2], parts["<"]) == (now.release[:2], Version(f"{now.major + 1}"))


@every_distribution
def test_every_other_library_has_a_lower_bound_that_is_not_below_the_cores(one):
    core = {r.name: r.specifier for r in map(Requirement, NAMES["nnplug-core"].requirements())}
    for requirement in map(Requirement, one.requirements()):
        lower = [part.version for part in requirement.specifier if part.operator == ">="]
        assert len(lower) == 1, f"{one.name}: {requirement}"
        if requirement.name in core and any(r.startswith("nnplug-core") for r in one.project["dependencies"]):
            assert core[requirement.name].contains(lower[0]), (
                f"{one.name}: {requirement}, core {core[requirement.name]}"
            )


def test_the_extra_all_is_every_distribution_that_the_command_does_not_need():
    command = NAMES[COMMAND]
    needed = {Requirement(line).name for line in command.project["dependencies"]}
    wanted = {name for name in NAMES if name != COMMAND and name not in needed}
    requirements = [Requirement(line) for line in command.extras["all"]]
    assert {requirement.name for requirement in requirements} == wanted
    single = {Requirement(line).name for extra, lines in command.extras.items() if extra != "all" for line in lines}
    assert single >= wanted - {"nnplug-runtime"}  # the runtime is for machines without nnplug
    assert {r.name: r.extras for r in requirements}["nnplug-trackers"] == set(NAMES["nnplug-trackers"].extras)
