"""The commands of docs/layouts.md run."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

from click.testing import CliRunner

from nnplug_cli.main import main

PAGE = (Path(__file__).parents[3] / "docs" / "layouts.md").read_text()


def commands(heading: str) -> list[list[str]]:
    """Return the words of each command under a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL) for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines]


def test_a_datalist(listed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    training = [listed.entry(name, fold=number % 2) for number, name in enumerate("abcd")]
    listed.write(training=training, testing=[listed.entry("e")]).rename(listed.folder / "datalist.json")
    before = sorted(listed.folder.rglob("*"))
    printed = []
    for words in commands("I have a MONAI datalist"):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, result.output
        printed.append(result.output)
    assert "a/t1.nii.gz, a/t2.nii.gz" in printed[0]
    raw = json.loads(Path("Dataset501_List/dataset.json").read_text())
    assert raw["channel_names"] == {"0": "T1", "1": "FLAIR"}
    assert raw["labels"] == {"background": 0, "edema": 1, "core": 2}
    folds = json.loads(Path("work/Dataset501_List/splits.json").read_text())
    assert [len(fold["val"]) for fold in folds] == [2, 2]
    assert len(list(Path("pictures").glob("*.png"))) == 5
    assert Path("work/Dataset501_List/plans/nnunet.json").is_file()
    assert sorted(listed.folder.rglob("*")) == before


def test_a_bids_dataset(bids, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for session in ("sub-01/ses-1/anat/sub-01_ses-1", "sub-01/ses-2/anat/sub-01_ses-2"):
        bids.image(f"{session}_T1w", label="manual")
        bids.image(f"{session}_FLAIR")
    Path("data").mkdir()
    bids.folder.rename("data/study")
    for words in commands("I have a BIDS dataset"):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, result.output
    assert "2 cases read, 0 problems" in result.output
    raw = json.loads(Path("Dataset502_Study/dataset.json").read_text())
    assert raw["channel_names"] == {"0": "T1w", "1": "FLAIR"}
    assert list(raw["dataset"]) == ["sub-01_ses-1", "sub-01_ses-2"]


def test_predictions_as_a_derivative(pack_model, bids, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pack_model(tmp_path / "model.zip", "T1w")
    bids.image("sub-01/ses-1/anat/sub-01_ses-1_T1w", label="manual")
    bids.image("sub-01/ses-2/anat/sub-01_ses-2_T1w")
    (bids.folder / "dataset_description.json").write_text('{"Name": "Study", "BIDSVersion": "1.10.0"}')
    Path("data").mkdir()
    bids.folder.rename("data/study")
    Path("scans").mkdir()
    shutil.copy("data/study/sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz", "scans/LUNG1-001_0000.nii.gz")
    converted = CliRunner().invoke(main, ["dataset", "convert", "bids", "data/study", "Dataset502_Study"])
    assert converted.exit_code == 0, converted.output
    for words in commands("Predictions as a BIDS derivative"):
        result = CliRunner().invoke(main, [*words, "--device", "cpu", "--no-mirroring", "--step-size", "1"])
        assert result.exit_code == 0, result.output
    out = Path("data/study/derivatives/nnplug")
    label_map = out / "sub-01" / "ses-2" / "anat" / "sub-01_ses-2_space-orig_desc-nnplug_dseg.nii.gz"
    assert label_map.is_file()
    assert json.loads((out / "dataset_description.json").read_text())["DatasetLinks"] == {"study": "../.."}
    assert "sub-LUNG1001\tLUNG1-001" in Path("derivative/participants.tsv").read_text()
    assert Path("derivative/desc-liver_dseg.tsv").is_file()
    assert "participants.tsv has the names of the cases" in result.output
