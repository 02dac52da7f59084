"""Every stage gives executors what other processes can run: functions, items and names that can be pickled."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from nnplug_nnunet.converters import Pairs

ROOT = Path(__file__).parents[2]


def stages() -> set[str]:
    """Return the stages that the sources hand to executors."""
    files = [path for top in ("core", "plugins", "cli") for path in (ROOT / top).glob("**/src/**/*.py")]
    found = {stage for path in files for stage in re.findall(r'stage="([^"]+)"', path.read_text())}
    return found - {"kit"}


def convert(trained, folder):
    """Make a dataset of a folder of pairs, and give a label map of it its source's values again."""
    Pairs().example(folder / "source")
    trained.nnplug("dataset", "convert", "pairs", folder / "source", folder / "Dataset001_A", "--workers", 2)
    description = folder / "Dataset001_A" / "dataset.json"
    data = json.loads(description.read_text())
    description.write_text(json.dumps({**data, "source_labels": {"0": 0, "1": 3, "2": 4}}))
    words = (folder / "Dataset001_A" / "labelsTr", folder / "restored", "--dataset-json", description, "--workers", 2)
    trained.nnplug("dataset", "restore", *words)


def forget_index(store):
    """Make the cases of a store those that another trainer has indexed."""
    for path in store.glob("*/case.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "index": "another trainer's"}))


@pytest.mark.slow
def test_every_stage_hands_on_what_can_be_pickled(copied, tmp_path):
    labels, out = copied.dataset / "labelsTr", tmp_path / "predictions"
    description = copied.dataset / "dataset.json"
    with copied.pickling():
        convert(copied, tmp_path)
        forget_index(copied.folder / "preprocessed" / "nnunet_2d")
        copied.run("preprocess", "-c", "2d")
        copied.run("select", "--device", "cpu")
        model = copied.folder / "model" / "selected"
        copied.nnplug(
            "predict",
            "-i",
            copied.dataset / "imagesTs",
            "-o",
            out,
            "-m",
            model,
            "--executor",
            "local",
            "--device",
            "cpu",
            "--statistics",
            "--preview",
        )
        assert (out / "phantom_004.nii.gz").is_file()
        drawing = ("-i", copied.dataset / "imagesTr", "-l", labels, "-o", tmp_path / "pictures")
        copied.nnplug("overlay", *drawing)
        fitting = ("postprocess", "fit", "-r", labels, "-p", labels, "--dataset-json", description)
        copied.nnplug(*fitting, "-o", tmp_path / "rule.json")
        small = ("--postprocessor", "brats-enhancing", "-o", tmp_path / "small.json")
        copied.nnplug(*fitting, *small)
        copied.nnplug("postprocess", "apply", "-i", labels, "-o", tmp_path / "after", "--rule", tmp_path / "rule.json")
    assert {stage for stage, items in copied.stages.items() if items} == stages()
