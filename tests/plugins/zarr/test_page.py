"""The commands of docs/ome-zarr.md run."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from nnplug.io.geometry import Geometry
from nnplug.io.images import write_image, write_label
from nnplug_cli.main import main

PAGE = (Path(__file__).parents[3] / "docs" / "ome-zarr.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
SHAPE = (10, 16, 14)
PLACE = Geometry(SHAPE, (1.0,) * 3, (1.0,) * 3, (0.0,) * 3, tuple(np.eye(3).ravel().tolist()))
FAST = ["--device", "cpu", "--no-mirroring", "--step-size", "1"]


def image(path, readers, seed):
    write_image(path, np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32), PLACE, readers)


def test_the_commands_of_the_page(pack_model, readers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pack_model(tmp_path / "model.zip", "CT")
    image(Path("images/anna_0000.ome.zarr"), readers, 0)
    dataset = Path("Dataset777_Zarr")
    for seed, name in enumerate("ab"):
        image(dataset / "imagesTr" / f"{name}_0000.ome.zarr", readers, seed)
        labels = (np.arange(np.prod(SHAPE)) % 3).reshape(SHAPE)
        write_label(Path("data") / f"{name}.ome.zarr" / "labels" / "organs.zarr", labels, PLACE, readers)
        (dataset / "labelsTr").mkdir(exist_ok=True)
        link = dataset / "labelsTr" / f"{name}.ome.zarr"
        link.symlink_to((Path("data") / f"{name}.ome.zarr" / "labels" / "organs.zarr").absolute())
    raw = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1, "b": 2}, "numTraining": 2}
    (dataset / "dataset.json").write_text(json.dumps({**raw, "file_ending": ".ome.zarr"}))
    printed = {}
    for line in COMMANDS:
        words = shlex.split(line)[1:]
        done = CliRunner().invoke(main, [*words, *(FAST if words[0] == "predict" else [])])
        assert done.exit_code == 0, done.output
        printed[words[0]] = done.output
    assert (Path("out/anna.ome.zarr/labels/nnplug/zarr.json")).is_file()
    assert (Path("old/anna.ome.zarr/labels/organs/.zattrs")).is_file()
    assert "0 problems" in printed["verify"]
    assert list(Path("work").rglob("preprocessed/**/case.json")) or list(Path("work").rglob("*/a/*"))
