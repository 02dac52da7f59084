"""Install nnplug from dist/ into a fresh environment of each Python and run its demo there: `make test-wheels`."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from release.distributions import COMMAND, ROOT, version


@dataclass(frozen=True)
class Fresh:
    """A virtual environment that holds nothing but what is installed into it.

    Attributes:
        folder: of the environment.
    """

    folder: Path

    def create(self, python: str) -> None:
        """Create the environment.

        Args:
            python: a command or path, such as "python3.12".
        """
        self._run(python, "-m", "venv", self.folder)

    def install(self, requirements: Sequence[str], *, dist: Path) -> None:
        """Install requirements from an index and from a folder of wheels.

        Args:
            requirements: for pip, in one call.
            dist: the folder of wheels.
        """
        self._run(self.folder / "bin" / "pip", "install", "--quiet", "--find-links", dist, *requirements)

    def versions(self) -> dict[str, str]:
        """Return distribution -> version of what is installed, as `pip list` has it."""
        words = [str(self.folder / "bin" / "pip"), "list", "--format", "json"]
        done = subprocess.run(words, check=True, capture_output=True, text=True, env=clean_environment())
        return {one["name"]: one["version"] for one in json.loads(done.stdout)}

    def demo(self, output: Path) -> None:
        """Run `nnplug demo` as a user does."""
        self._run(self.folder / "bin" / COMMAND, "demo", "--output", output)

    def _run(self, *words: object) -> None:
        whole = [str(word) for word in words]
        subprocess.run(whole, check=True, env=clean_environment(), cwd=self.folder.parent)


def clean_environment() -> dict[str, str]:
    """Return the environment variables without those that lead Python to packages of others."""
    return {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}


def check_versions(found: dict[str, str]) -> list[str]:
    """Return the name and version of each nnplug distribution.

    Raises:
        SystemExit: one of them does not come from dist/: it has another version.
    """
    ours = {name: value for name, value in found.items() if name == COMMAND or name.startswith(f"{COMMAND}-")}
    if COMMAND not in ours or set(ours.values()) != {version()}:
        raise SystemExit(f"expected version {version()} of {COMMAND} and its distributions, found {ours}")
    return [f"{name} {value}" for name, value in ours.items()]


def try_python(python: str, torch: str | None, *, dist: Path, folder: Path) -> str:
    """Install into a fresh environment and run the demo; return a line about it.

    Args:
        python: a command or path.
        torch: the requirement of PyTorch, such as a CPU build; None leaves the choice to pip.
        dist: the folder of wheels.
        folder: an empty folder, deleted at the end: with PyTorch for CUDA it takes 7 GB.
    """
    start = time.monotonic()
    fresh = Fresh(folder / "environment")
    fresh.create(python)
    fresh.install([COMMAND, *([torch] if torch else [])], dist=dist)
    ours = check_versions(fresh.versions())
    installed = time.monotonic()
    fresh.demo(folder / "demo")
    done = time.monotonic()
    shutil.rmtree(folder)
    return f"{python}: {', '.join(ours)}; installed in {installed - start:.0f} s, demo in {done - installed:.0f} s"


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pythons", nargs="+", help="commands or paths of Python")
    parser.add_argument("--torch", help="requirement of PyTorch, such as torch==2.13.0+cpu")
    parser.add_argument("--dist", type=Path, default=ROOT / "dist")
    asked = parser.parse_args()
    missing = [python for python in asked.pythons if shutil.which(python) is None]
    if missing:
        sys.exit(f"not found: {', '.join(missing)}; name those of this machine: make test-wheels PYTHONS=..")
    for python in asked.pythons:
        print(try_python(python, asked.torch, dist=asked.dist, folder=Path(tempfile.mkdtemp(prefix="nnplug-"))))


if __name__ == "__main__":
    main()
