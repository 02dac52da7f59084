"""The real installed command on small phantom data, and a fresh environment for packages that come and go."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from nnplug.dataset.phantom import write_phantom

NNPLUG = str(Path(sys.executable).parent / "nnplug")
TINY = (
    *("--set", "planner.base_features=4", "--set", "planner.max_features=8"),
    *("--set", "plan.patch_size=[16,16,16]", "--set", "plan.batch_size=2"),
    *("--set", "trainer.iterations_per_epoch=3", "--set", "trainer.val_iterations_per_epoch=1"),
)

Command = Callable[..., subprocess.CompletedProcess[str]]


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
    return make_environment(tmp_path / "environment")


@pytest.fixture(scope="session")
def new_environment() -> Callable[[Path], Environment]:
    """Make an environment in a folder, for tests that share one."""
    return make_environment


@pytest.fixture(scope="session")
def bare_environment() -> Callable[..., Environment]:
    """Make an environment in a folder, with the third-party libraries of this one and nothing of nnplug."""

    def make(folder: Path, name: str = "environment") -> Environment:
        environment = make_environment(folder / name)
        site = next((environment.folder / "lib").glob("python*/site-packages"))
        (site / "ours.pth").write_text(f"{third_party(folder / 'third-party')}\n")
        return environment

    return make


def third_party(folder: Path) -> Path:
    """A folder of links to all packages that this environment sees, except for nnplug's."""
    folder.mkdir(parents=True)
    for place in (Path(entry) for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")):
        for path in place.iterdir():
            ours = path.name.removeprefix("_editable_impl_").startswith("nnplug")
            if not ours and path.suffix != ".pth" and not (folder / path.name).exists():
                (folder / path.name).symlink_to(path)
    return folder


def make_environment(folder: Path) -> Environment:
    """Make an environment with the commands `python`, `pip` and `nnplug`."""
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


@pytest.fixture(scope="session")
def tiny() -> tuple[str, ...]:
    """Options with which a training takes seconds; epochs are the test's affair."""
    return TINY


@pytest.fixture
def nnplug() -> Command:
    """Run the installed command; stdout and stderr are text."""

    def call(*words: object, check: bool = False, **kwargs: object) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([NNPLUG, *map(str, words)], capture_output=True, text=True, check=False, **kwargs)
        assert not check or done.returncode == 0, done.stderr
        return done

    return call


@pytest.fixture
def start() -> Callable[..., subprocess.Popen[bytes]]:
    """Start the installed command in a process group of its own, to be killed."""

    def call(*words: object) -> subprocess.Popen[bytes]:
        quiet = subprocess.DEVNULL
        return subprocess.Popen([NNPLUG, *map(str, words)], stdout=quiet, stderr=quiet, env=dict(os.environ))

    return call


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four small training cases and two unseen ones."""
    folder = tmp_path_factory.mktemp("raw") / "Dataset999_Phantom"
    write_phantom(folder, cases=4, unseen=2, shape=(20, 24, 22))
    return folder
