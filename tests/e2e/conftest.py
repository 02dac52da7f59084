"""A fresh environment for packages that tests install and remove."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Environment:
    """A virtual environment that also sees the packages of the one that runs the tests; nothing is downloaded."""

    folder: Path

    def run(self, *command: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment; its outcome is the caller's to judge."""
        bin_folder = str(self.folder / "bin")
        variables = os.environ | {
            "PATH": bin_folder + os.pathsep + os.environ["PATH"],
            "PIP_NO_BUILD_ISOLATION": "false",  # pip's way of saying --no-build-isolation
            "PIP_NO_DEPS": "1",
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        words = [str(word) for word in command]
        return subprocess.run(words, cwd=cwd, env=variables, capture_output=True, text=True, check=False)

    def expect(self, *command: object, cwd: Path | None = None) -> str:
        """Run a command that must succeed; gives what it printed."""
        done = self.run(*command, cwd=cwd)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """Made anew for each test, with the commands `python`, `pip` and `nnplug`."""
    folder = tmp_path / "environment"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    ours = sysconfig.get_path("purelib")
    site = next((folder / "lib").glob("python*/site-packages"))
    (site / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    for name, line in (
        ("nnplug", f'"{python}" -c "from nnplug_cli.main import main; main(prog_name=\'nnplug\')"'),
        ("pip", f'"{sys.executable}" -m pip --python "{python}"'),
    ):
        script = folder / "bin" / name
        script.write_text(f'#!/bin/sh\nexec {line} "$@"\n')
        script.chmod(0o755)
    return Environment(folder)
