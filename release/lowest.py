"""Install the lowest versions that the distributions allow and run chosen tests with them: `make test-lowest`.

PyTorch is the version that --torch gives: the lowest builds on PyPI are for CUDA and take gigabytes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from release.distributions import ROOT, distributions

TOOLS = ("hypothesis", "pytest>=8", "pytest-xdist")
TESTS = (
    "tests/core/io",
    "tests/core/ops",
    "tests/core/evaluation",
    "tests/core/dataset",
    "tests/core/registry",
    "tests/plugins/nnunet/planning",
    "tests/plugins/nnunet/test_architectures.py",
    "tests/plugins/nnunet/test_metrics.py",
    "tests/plugins/dask/test_executor.py",
    "tests/plugins/dicom/test_reader.py",
    "tests/plugins/readers",
    "tests/cli/test_main.py",
    "tests/cli/test_plan.py",
    "tests/plugins/hub/test_hub.py",
)
"""Quick tests of the distributions that have third-party libraries: some minutes on two cores."""

NEWER = (
    # The result differs with the version of a library, as it does in nnU-Net; the figures are those of the pinned one.
    "tests/core/io/test_unusual_images.py::test_everything_that_nnunet_reads_is_read_alike",  # Pillow: PNG of two bits
    "tests/core/ops/test_moments.py::test_the_bits_are_numpys",  # numpy before 2.3: the last bit of a sum
    "tests/core/ops/test_bootstrap.py::test_draws_without_scores_are_left_out",  # scipy before 1.17: fewer warnings
)
"""Tests whose figures are those of newer libraries."""


def bounds(torch: str | None = None) -> dict[str, str]:
    """Return library -> requirement with the highest of the lower bounds that the distributions declare.

    Triton is left out: each PyTorch for CUDA brings its own.

    Args:
        torch: the requirement of PyTorch, instead of its lower bound.
    """
    ours = {canonicalize_name(one.name) for one in distributions()}
    found: dict[str, Requirement] = {}
    for line in (line for one in distributions() for line in one.requirements()):
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        if name not in ours and (name not in found or lower(requirement) > lower(found[name])):
            found[name] = requirement
    lines = {name: str(requirement) for name, requirement in sorted(found.items()) if name != "triton"}
    return lines | ({"torch": torch} if torch else {})


def lower(requirement: Requirement) -> Version:
    """Return the lower bound of a requirement."""
    (version,) = (Version(part.version) for part in requirement.specifier if part.operator in {">=", "=="})
    return version


def resolve(requirements: list[str], python: str, folder: Path) -> Path:
    """Write the file of pins that has the lowest versions of these requirements, and the newest of what they need.

    Args:
        requirements: with lower bounds.
        python: a command or path.
        folder: for the file.
    """
    (folder / "lowest.in").write_text("\n".join(requirements) + "\n")
    words = ["compile", "--resolution", "lowest-direct", "--python", python, "--no-header", "--no-annotate"]
    _uv(*words, "--output-file", folder / "lowest.txt", folder / "lowest.in")
    return folder / "lowest.txt"


def install(python: str, pins: Path, folder: Path) -> Path:
    """Create an environment with these pins, the distributions (editable) and the tools of tests; return its Python."""
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    inside = folder / "bin" / "python"
    _uv("install", "--python", inside, "--requirement", pins, *TOOLS)
    editable = [word for one in distributions() for word in ("--editable", one.folder)]
    _uv("install", "--python", inside, "--no-deps", *editable)
    return inside


def _uv(command: str, *words: object) -> None:
    """Run `uv pip` with pip's sources: every index is asked, and certificates are the system's."""
    links = [word for link in os.environ.get("PIP_FIND_LINKS", "").split() for word in ("--find-links", link)]
    options = ["--quiet", "--index-strategy", "unsafe-best-match", "--system-certs", *links]
    whole = [sys.executable, "-m", "uv", "pip", command, *options, *map(str, words)]
    subprocess.run(whole, check=True, stdout=subprocess.DEVNULL)


def run_tests(python: Path) -> int:
    """Run the chosen tests; return pytest's exit code."""
    words = [str(python), "-m", "pytest", "-q", "-m", "not slow", *TESTS]
    words += [word for test in NEWER for word in ("--deselect", test)]
    return subprocess.run(words, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False).returncode


def main() -> int:
    """Run what the command line asks for; return the exit code of the tests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default="python3.11")
    parser.add_argument("--torch", help="requirement of PyTorch, such as torch==2.13.0+cpu; default: its lower bound")
    parser.add_argument("--folder", type=Path, help="for the environment, kept; default: a temporary one")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nnplug-lowest-") as temporary:
        folder = asked.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        pins = resolve([*bounds(asked.torch).values()], asked.python, folder)
        print(pins.read_text())
        return run_tests(install(asked.python, pins, folder / "environment"))


if __name__ == "__main__":
    sys.exit(main())
