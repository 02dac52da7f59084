"""Two configurations of two folds, trained by the command with executors that pickle what they are given."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nnplug.dataset.phantom import write_phantom
from nnplug.runtime.executor import LocalExecutor
from nnplug.testing.checks.executor import pickled
from nnplug_cli.main import main

SMALL = (
    *("--set", "planner.base_features=4", "--set", "planner.max_features=8", "--set", "plan.batch_size=2"),
    *("--set", "trainer.epochs=1", "--set", "trainer.iterations_per_epoch=1"),
    *("--set", "trainer.val_iterations_per_epoch=1"),
)


@contextmanager
def pickling(stages: Counter[str]) -> Iterator[None]:
    """Let executors of this process get function, items and names as another process would, and count the items."""
    run, run_on_device = LocalExecutor.map, LocalExecutor.map_on_device

    def map_(self, function, items, *, stage, name=str):
        stages[stage] += len(items)
        return run(self, pickled(function), pickled(items), stage=stage, name=pickled(name))

    def map_on_device(self, function, items, *, stage, name=str, progress):
        stages[stage] += len(items)
        job, named = pickled(function), pickled(name)
        return run_on_device(self, job, pickled(items), stage=stage, name=named, progress=progress)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalExecutor, "map", map_)
        patch.setattr(LocalExecutor, "map_on_device", map_on_device)
        yield


@dataclass(frozen=True)
class Trained:
    """A dataset and a workspace in which every fold is trained."""

    dataset: Path
    workspace: Path
    stages: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def pickling(self) -> Iterator[None]:
        """Pickle what executors are given, and count the items in `stages`."""
        with pickling(self.stages):
            yield

    @staticmethod
    def nnplug(*words: object) -> Result:
        """Run any command; it must succeed."""
        return nnplug(*words)

    @property
    def folder(self) -> Path:
        return self.workspace / self.dataset.name

    def run(self, command: str, *words: object) -> Result:
        """Run a command on the dataset with the workspace."""
        return nnplug(command, self.dataset, "-w", self.workspace, *words)


def nnplug(*words: object) -> Result:
    """Run the command in this process; it must succeed."""
    result = CliRunner().invoke(main, [*map(str, words)])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Trained:
    """Every fold of 2d and 3d_fullres, trained for an iteration with seed 7 and validated, without logits."""
    folder = tmp_path_factory.mktemp("trained")
    dataset = write_phantom(folder / "Dataset999_Phantom", cases=4, unseen=2, shape=(20, 24, 22)).folder
    made = Trained(dataset, folder / "w")
    with made.pickling():
        made.run("split", "--folds", 2)
        made.run("run", "--until", "preprocess", "--device", "cpu", *SMALL)
        made.run("train", "--device", "cpu", "--no-mirroring", "--workers", 1, "--seed", 7)
    return made


@pytest.fixture
def copied(trained, tmp_path) -> Trained:
    """A copy of the workspace that a test may change."""
    shutil.copytree(trained.workspace, tmp_path / "w")
    return replace(trained, workspace=tmp_path / "w")
