"""Another version of a plugin, or none: what a run says, records and keeps."""

from __future__ import annotations

import json
import re
import shutil
from importlib.metadata import version

import pytest
from click.testing import CliRunner

from nnplug.dataset.phantom import write_phantom
from nnplug_cli.main import main

TINY = {
    "planner.base_features": 4,
    "planner.max_features": 8,
    "plan.patch_size": "[16,16,16]",
    "plan.batch_size": 2,
    "trainer.iterations_per_epoch": 2,
    "trainer.val_iterations_per_epoch": 1,
}
MINE = """
from nnplug_nnunet.architectures import PlainConvUNet
from nnplug_nnunet.normalizers import ZScore
from nnplug_nnunet.training.trainer import NnUNetTrainer

@hookimpl
def nnplug_trainers():
    yield TrainerComponent("mine", "fake_nnplug_mine:Mine", "nnU-Net's loop", extends_runs=True)

@hookimpl
def nnplug_architectures():
    yield ArchitectureComponent("my-unet", "fake_nnplug_mine:Net", "nnU-Net's network", takes_topology=True)

@hookimpl
def nnplug_normalizers():
    yield NormalizerComponent("my-zscore", "fake_nnplug_mine:Scale", "nnU-Net's normalizer")

class Mine(NnUNetTrainer): pass
class Net(PlainConvUNet): pass
class Scale(ZScore): pass
"""
SCHEMES = '[{"name":"my-zscore","use_mask":false},{"name":"zscore","use_mask":false}]'
PIP = "Run: pip install 'nnplug-mine==1.0'"


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return write_phantom(tmp_path_factory.mktemp("raw") / "Dataset900_Tiny", cases=5, unseen=0, shape=(24, 24, 24))


@pytest.fixture
def nnplug(raw, tmp_path):
    """`nnplug("run", 2, ..)` calls a command of fold 0 with two epochs."""

    def nnplug(command, epochs, *words):
        shown = TINY if command == "run" else {}
        settings = [f"--set={key}={value}" for key, value in {**shown, "trainer.epochs": epochs}.items()]
        where = ["-w", str(tmp_path / "work"), "-c", "3d_fullres", "-f", "0", "--device", "cpu"]
        return CliRunner().invoke(main, [command, str(raw.folder), *where, *settings, *words])

    return nnplug


@pytest.fixture
def fold(tmp_path):
    return tmp_path / "work/Dataset900_Tiny/runs/nnunet/3d_fullres/fold_0"


def test_every_version_is_told_and_recorded_with_its_epochs(install, nnplug, fold, tmp_path):
    install("nnplug-mine", "mine", MINE)
    assert nnplug("run", 1, "--trainer", "mine", "--until", "train").exit_code == 0
    record = json.loads((fold / "run.json").read_text())
    assert record["versions"]["nnplug-mine"] == "1.0"
    assert record["versions"]["nnplug-nnunet"] == version("nnplug-nnunet"), "the base class's distribution"
    assert "continued" not in record

    install("nnplug-mine", "mine", MINE, version="1.1")
    done = nnplug("run", 2, "--trainer", "mine")
    assert done.exit_code == 0, done.output
    told = "3d_fullres fold 0: from epoch 2 on it is trained with nnplug-mine 1.1 instead of 1.0"
    assert told in done.stderr

    install("nnplug-mine", "mine", MINE, version="1.2")
    done = nnplug("train", 4)
    assert "fold 0: from epoch 3 on it is trained with nnplug-mine 1.2 instead of 1.1" in done.stderr
    assert "saved with" not in done.stderr.split("from epoch")[0]
    continued = json.loads((fold / "run.json").read_text())["continued"]
    assert [(one["first_epoch"], one["versions"]["nnplug-mine"]) for one in continued] == [(1, "1.1"), (2, "1.2")]
    assert continued[0]["versions"].keys() == record["versions"].keys()
    (bundle,) = tmp_path.glob("work/Dataset900_Tiny/model/*/bundle.json")
    assert json.loads(bundle.read_text())["record"]["0"]["continued"] == continued[:1]


def test_a_run_of_the_same_version_records_no_change(install, nnplug, fold):
    install("nnplug-mine", "mine", MINE)
    for epochs in (1, 2):
        assert nnplug("run", epochs, "--trainer", "mine", "--until", "train").exit_code == 0
    assert "continued" not in json.loads((fold / "run.json").read_text())


def test_a_distribution_that_is_gone_is_asked_for_before_anything_is_removed(install, nnplug, fold, tmp_path, raw):
    info = install("nnplug-mine", "mine", MINE)
    words = ("--architecture", "my-unet", f"--set=plan.normalization={SCHEMES}", "--until", "validate")
    assert nnplug("run", 1, *words).exit_code == 0
    shutil.rmtree(info)
    before = sorted(path.name for path in fold.rglob("*"))

    done = nnplug("train", 1, "--validate-only", "--no-mirroring")
    assert done.exit_code == 1
    assert re.search(
        r"error: .*this model needs \w+ 'my-.*' from nnplug-mine 1\.0, which is not installed", done.stderr
    )
    assert PIP in done.stderr
    done = nnplug("train", 2)
    assert "needs normalizer 'my-zscore' from nnplug-mine 1.0" in done.stderr
    assert PIP in done.stderr
    assert sorted(path.name for path in fold.rglob("*")) == before

    work = str(tmp_path / "work")
    done = CliRunner().invoke(main, ["preprocess", str(raw.folder), "-w", work, "-c", "3d_fullres"])
    asked = "plans 'nnunet' needs normalizer 'my-zscore' from nnplug-mine 1.0, which is not installed"
    assert done.stderr.splitlines()[-1] == f"error: {asked}. {PIP}"
    done = CliRunner().invoke(main, ["model", "summary", str(fold)])
    asked = "this model needs architecture 'my-unet' from nnplug-mine 1.0, which is not installed"
    assert done.stderr.splitlines()[-1] == f"error: {asked}. {PIP}"
