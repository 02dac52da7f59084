"""nnU-Net's three folders with ten small cases, prepared, and one fold trained by the installed commands."""

from __future__ import annotations

import contextlib
import copy
import importlib.metadata
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest

from nnplug.dataset.phantom import write_phantom
from nnplug_nnunetv2_commands.command import Call
from nnplug_nnunetv2_commands.environment import Environment

BIN = Path(sys.executable).parent
DATASET = "Dataset999_Phantom"
SHORT = """
from dataclasses import dataclass
from nnplug import TrainerComponent, hookimpl
from nnplug_nnunet.training.trainer import NnUNetTrainer

@dataclass(frozen=True, kw_only=True)
class Short(NnUNetTrainer):
    epochs: int = 2
    iterations_per_epoch: int = 3
    val_iterations_per_epoch: int = 1

@hookimpl
def nnplug_trainers():
    yield TrainerComponent(
        "short",
        "short_trainer:Short",
        "six iterations",
        takes_previous_stage=True,
        takes_several_devices=True,
        extends_runs=True,
        case_index="nnplug_nnunet.training.patch_centres:PatchCentres",
    )
"""


@dataclass(frozen=True)
class Place:
    """The folders that the variables name, and the commands with these variables."""

    root: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def preprocessed(self) -> Path:
        return self.root / "preprocessed" / DATASET

    @property
    def raw(self) -> Path:
        return self.root / "raw" / DATASET

    def model(self, trainer: str = "short", configuration: str = "tiny") -> Path:
        return Path(self.variables["nnUNet_results"]) / DATASET / f"{trainer}__nnUNetPlans__{configuration}"

    def installed(self, command: str, *words: object) -> str:
        """Run the installed command as a script does; gives what it printed."""
        arguments = [str(BIN / command), *map(str, words)]
        done = subprocess.run(arguments, env=self.variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, command: str, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run what the command runs in this process, which has torch imported; its outcome is the caller's to judge."""
        printed, told, code = io.StringIO(), io.StringIO(), 0
        with (
            mock.patch.dict(os.environ, {**self.variables, **variables}, clear=True),
            mock.patch.object(sys, "argv", [command, *map(str, words)]),
            mock.patch.object(sys, "path", [str(self.root / "site"), *sys.path]),
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(told),
        ):
            try:
                script(command)()
            except SystemExit as left:
                code = int(left.code or 0)
        return subprocess.CompletedProcess(command, code, printed.getvalue(), told.getvalue())

    def expect(self, command: str, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run what must succeed."""
        done = self.run(command, *words, **variables)
        assert done.returncode == 0, done.stderr
        return done


def script(name: str) -> Callable[[], None]:
    """What a console script of the distribution calls."""
    points = importlib.metadata.distribution("nnplug-nnunetv2-commands").entry_points
    (point,) = points.select(group="console_scripts", name=name)
    return point.load()


def make_place(root: Path) -> Place:
    """Empty folders, the variables that name them, and a trainer of six iterations, installed as a plugin."""
    info = root / "site" / "nnplug_short-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nnplug-short\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[nnplug]\nshort = short_trainer\n")
    (root / "site" / "short_trainer.py").write_text(SHORT)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("nnUNet")}
    names = {f"nnUNet_{name}": str(root / name) for name in ("raw", "preprocessed", "results")}
    return Place(root, {**clean, **names, "PYTHONPATH": str(root / "site"), "OMP_NUM_THREADS": "1"})


def add_tiny(plans: Path) -> None:
    """Add a configuration by hand, as users do: what it does not say it inherits, its prepared cases too."""
    data = json.loads(plans.read_text())
    architecture = copy.deepcopy(data["configurations"]["3d_fullres"]["architecture"])
    stages = architecture["arch_kwargs"]["n_stages"]
    architecture["arch_kwargs"]["features_per_stage"] = [4] + [8] * (stages - 1)
    tiny = {"inherits_from": "3d_fullres", "patch_size": [16, 16, 16], "batch_size": 2, "architecture": architecture}
    data["configurations"]["tiny"] = tiny
    plans.write_text(json.dumps(data))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Ten cases, measured, planned and prepared."""
    place = make_place(tmp_path_factory.mktemp("nnunet"))
    write_phantom(place.raw, cases=10, unseen=3, shape=(20, 24, 22))
    place.installed("nnUNetv2_plan_and_preprocess", "-d", 999, "--verify_dataset_integrity", "-np", 1, "--no_pbar")
    add_tiny(place.preprocessed / "nnUNetPlans.json")
    return place


@pytest.fixture(scope="session")
def trained(prepared: Place) -> Place:
    """Fold 0, trained where there is no raw data, as on a cluster's nodes."""
    variables = {name: value for name, value in prepared.variables.items() if name != "nnUNet_raw"}
    place = Place(prepared.root, {**variables, "nnUNet_n_proc_DA": "0"})
    assert place.installed("nnUNetv2_train", 999, "tiny", 0, "-tr", "short").startswith("Mean Validation Dice:  ")
    return prepared


@pytest.fixture
def copied(trained: Place, tmp_path: Path) -> Place:
    """A copy of the results that a test may change."""
    shutil.copytree(trained.root / "results", tmp_path / "results")
    return Place(trained.root, {**trained.variables, "nnUNet_results": str(tmp_path / "results")})


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Empty folders of a test's own."""
    return make_place(tmp_path / "nnunet")


@pytest.fixture(name="add_tiny", scope="session")
def give_add_tiny() -> Callable[[Path], None]:
    """`add_tiny(PLANS)` adds a configuration that trains in seconds."""
    return add_tiny


@pytest.fixture
def call() -> Call:
    """For what is tested without a process of its own."""
    return Call(environment=Environment({}))


@pytest.fixture(scope="session")
def scripts() -> dict[str, Callable[[], None]]:
    """The console scripts of the distribution by name."""
    points = importlib.metadata.distribution("nnplug-nnunetv2-commands").entry_points
    return {point.name: point.load() for point in points if point.group == "console_scripts"}
