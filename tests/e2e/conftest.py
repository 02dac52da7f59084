"""The real installed command on small phantom data."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nnplug.data.phantom import write_phantom

NNPLUG = str(Path(sys.executable).parent / "nnplug")
TINY = (
    *("--set", "planner.base_features=4", "--set", "planner.max_features=8"),
    *("--set", "plan.patch_size=[16,16,16]", "--set", "plan.batch_size=2"),
    *("--set", "trainer.iterations_per_epoch=3", "--set", "trainer.val_iterations_per_epoch=1"),
)

Command = Callable[..., subprocess.CompletedProcess[str]]


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
