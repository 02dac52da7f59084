"""The commands and the example of docs/statistics.md run, and the options of predict that it describes."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from nnplug.io.images import read_label
from nnplug_cli.main import main

PAGE = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
FAST = ("--device", "cpu", "--no-mirroring", "--step-size", "1")


@pytest.fixture(scope="module")
def places(trained, tmp_path_factory):
    """The words of the page -> those of the phantom."""
    return {
        "IMAGES": trained.dataset / "imagesTs",
        "MODEL": trained.folder / "runs" / "nnunet" / "3d_fullres" / "fold_0",
        "OUT": tmp_path_factory.mktemp("statistics") / "out",
        "liver": "body",
        "spleen": "cap",
    }


def run(command, places, *more, code=0):
    for word, own in places.items():
        command = re.sub(rf"\b{word}\b", str(own), command)
    result = CliRunner().invoke(main, [*shlex.split(command)[1:], *FAST, *more])
    assert result.exit_code == code, result.output
    return result


def rows(folder):
    with (folder / "statistics.csv").open() as table:
        return list(csv.DictReader(table))


def test_every_command_of_the_page_runs(places):
    out = places["OUT"]
    assert [command.split()[:2] for command in COMMANDS] == [["nnplug", "predict"]] * 5
    first, resumed, *parts, kept = COMMANDS
    run(first, places)
    report = json.loads((out / "report.json").read_text())
    names = sorted(report["cases"])
    assert len(names) == 2
    assert {row["case"] for row in rows(out)} == set(names)
    assert [file.stem for file in sorted((out / "previews").glob("*.png"))] == names
    assert Image.open(out / "previews" / f"{names[0]}.png").mode == "RGB"
    assert next(iter(report["calls"].values()))["model"]["members"][0]["folds"] == ["0"]

    written, table = (out / f"{names[0]}.nii.gz").stat().st_mtime_ns, rows(out)
    (out / "statistics.csv").unlink()
    run(resumed, places)
    assert (out / f"{names[0]}.nii.gz").stat().st_mtime_ns == written
    assert rows(out) == table
    for part in parts:
        run(part, places)
        assert {row["case"] for row in rows(out)} == set(names)
    run(kept.replace(" spleen", ""), places)
    assert {row["class"] for row in rows(out)} == {"body"}
    assert set(np.unique(read_label(out / f"{names[0]}.nii.gz").array)) <= {0, 1}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--classes", "Body"), "error: 'Body' is no class or region of the model; closest are 'body'"),
        (("--classes", "spine", "bdy"), "error: 'bdy' is no class or region of the model; closest are 'body'"),
        (("--classes", "spine"), "error: 'spine' is no class or region of the model; it has 'body', 'cap'"),
    ],
)
def test_an_unknown_class_is_refused_before_anything_is_written(places, tmp_path, words, line):
    result = run("nnplug predict -i IMAGES -o OUT -m MODEL", {**places, "OUT": tmp_path / "out"}, *words, code=1)
    assert line in result.stderr.splitlines()
    assert not (tmp_path / "out").exists()


def test_a_table_of_somebody_else_is_replaced_only_if_the_user_says_so(places, tmp_path):
    (tmp_path / "out").mkdir()
    table = tmp_path / "out" / "statistics.csv"
    table.write_text("mine")
    own, command = {**places, "OUT": tmp_path / "out"}, "nnplug predict -i IMAGES -o OUT -m MODEL --statistics"
    result = run(command, own, code=1)
    assert (
        f"error: {table}: is there, and nnplug did not write it; give another output (-o), or allow it with --replace "
        "(from Python: replace=True)" in result.stderr.splitlines()
    )
    assert table.read_text() == "mine"
    run(command, own, "--replace", "--part", "0", "--parts", "2")
    assert {row["class"] for row in rows(tmp_path / "out")} == {"body", "cap"}


def test_the_example_of_the_page_runs(places, tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {"images": places["IMAGES"], "model": places["MODEL"], "output": tmp_path / "out"}
    assert "\nassert " in example
    exec(compile(example, "docs/statistics.md", "exec"), {"__name__": "example", **names})
    assert len(list((tmp_path / "out" / "previews").glob("*.png"))) == 2
