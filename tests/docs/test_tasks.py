"""Every command of the pages of tasks is run, in the order of the page, on a phantom.

`nnplug run` gets `SHORT` before the page's own options, for the trainings that the page means take days.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from nnplug.dataset.phantom import write_phantom
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug_cli.main import main

DOCS = Path(__file__).parents[2] / "docs"
DATASET = "Dataset123_Liver"
SHORT = (
    *("--set", "planner.base_features=4", "--set", "planner.max_features=8", "--set", "plan.batch_size=2"),
    *("--set", "trainer.epochs=1", "--set", "trainer.iterations_per_epoch=1"),
    *("--set", "trainer.val_iterations_per_epoch=1", "--no-mirroring"),
)

pytestmark = pytest.mark.slow


def type_in(line):
    """Run a command of a page, and return what it prints."""
    program, command, *rest = shlex.split(line)
    assert program == "nnplug"
    result = CliRunner().invoke(main, [command, *(SHORT if command == "run" else ()), *rest])
    assert result.exit_code == 0, f"{line}\n{result.output}"
    return result.output


def follow(page, new=None):
    """Run the commands of a page in order; yield (command, output) of each. A conversion to `new` finds no folder."""
    blocks = re.findall(r"```sh\n(.*?)```", (DOCS / f"{page}.md").read_text(), re.DOTALL)
    for line in "".join(blocks).splitlines():
        if line.startswith("nnplug dataset convert pairs") and "--dry-run" not in line:
            shutil.rmtree(new)
        yield line, type_in(line)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with the phantom as a dataset and as folders, and a task of the decathlon."""
    monkeypatch.chdir(tmp_path)
    raw = write_phantom(tmp_path / DATASET, cases=5, unseen=2, shape=(16, 20, 18)).folder
    for second in raw.rglob("*_0001.nii.gz"):
        second.unlink()
    description = json.loads((raw / "dataset.json").read_text())
    labels = {"background": 0, "liver": 1, "tumour": 2}
    (raw / "dataset.json").write_text(json.dumps({**description, "channel_names": {"0": "CT"}, "labels": labels}))
    return tmp_path


def test_data_and_training(here):
    shutil.copytree(here / DATASET / "labelsTr", here / "mydata" / "labels")
    shutil.copytree(here / DATASET / "imagesTr", here / "mydata" / "images")
    for image in (here / "mydata" / "images").iterdir():
        image.rename(image.with_name(image.name.replace("_0000", "")))
    Plugins().registry.create(Kind.CONVERTER, "msd").example(here / "Task03_Liver")
    page = dict(follow("training-tasks", new=here / DATASET))
    assert "0 problems" in page[f"nnplug verify {DATASET}"]
    longer = json.loads(next((here / "longer").rglob("plans.json")).read_text())
    assert (longer["configurations"]["2d"]["batch_size"], longer["choices"]["trainer"]["options"]["epochs"]) == (4, 2)
    (log,) = (here / "work").rglob("fold_0/log.jsonl")
    assert len(log.read_text().splitlines()) == 3
    (record,) = (here / "seeded").rglob("fold_0/run.json")
    assert json.loads(record.read_text())["seed"] == 7
    (record,) = (here / "sides").rglob("fold_0/run.json")
    assert json.loads(record.read_text())["mirror_axes"] == [0]


def test_prediction_and_scores(here):
    type_in(f"nnplug run {DATASET} -w work -c 2d -f 0")
    for name in ("model", "second_model"):
        shutil.copytree(here / "work" / DATASET / "model" / "nnunet_2d", here / name)
    shutil.copytree(here / DATASET / "imagesTs", here / "images")
    shutil.copytree(here / DATASET / "labelsTs", here / "references")
    printed = dict(follow("prediction-tasks"))
    assert len(list((here / "shared").glob("*.nii.gz"))) == len(list((here / "images").iterdir())) == 2
    assert "CC-BY-4.0" in printed["nnplug model show liver.zip"]
    assert {"Dice", "HD95", "NSD"} <= set(json.loads((here / "summary.json").read_text())["mean"]["1"])
    assert list((here / "nnUNet_results").rglob("checkpoint_final.pth"))
