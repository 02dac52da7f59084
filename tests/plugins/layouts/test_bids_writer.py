"""Predictions as a BIDS derivative: names, sidecar files and the files that all cases share."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from nnplug.contracts import PredictedCase, PredictingModel
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import InvalidFile, InvalidOptions, NnplugError
from nnplug.inference.outputs.writers import choose_writers
from nnplug.io.geometry import LabelMap
from nnplug.io.images import read_label
from nnplug.registry.loader import Plugins
from nnplug_cli.main import main
from nnplug_layouts.bids_writer import BidsWriter
from nnplug_layouts.example import GEOMETRY

VALIDATOR = "bids-validator-deno==3.0.2"
RAW = {
    "channel_names": {"0": "T1w"},
    "labels": {"background": 0, "organ": 1, "tumour": 2},
    "numTraining": 1,
    "file_ending": ".nii.gz",
    "segments": {"organ": {"color": [200, 100, 0]}},
}
FAST = ("--device", "cpu", "--no-mirroring", "--step-size", "1")


def model(**changes):
    description = DatasetDescription.from_data({**RAW, **changes}, "test")
    return PredictingModel(description, "Dataset001_A nnunet 2d", "0" * 12)


def case(name, image="x.nii.gz"):
    return CaseFiles(name, (Path(image),))


@pytest.mark.parametrize(
    ("name", "image", "expected"),
    [
        ("sub-01", "sub-01/anat/sub-01_T1w.nii.gz", "sub-01/anat/sub-01_space-orig"),
        ("sub-01_ses-x_acq-a_run-2", "a.nii.gz", "sub-01/ses-x/anat/sub-01_ses-x_acq-a_run-2_space-orig"),
        ("sub-01_run-1_ses-x_T1w", "a.nii.gz", "sub-01/ses-x/anat/sub-01_ses-x_run-1_space-orig"),
        ("a", "sub-7_space-MNI152NLin6Asym_desc-preproc_T1w_0000.nii.gz", "sub-7/anat/sub-7_space-MNI152NLin6Asym"),
        ("sub-1", "dwi/sub-1_dir-AP_dwi.nii.gz", "sub-1/dwi/sub-1_space-orig"),
        ("sub-1_task-rest_bold", "func/x.nii.gz", "sub-1/func/sub-1_task-rest_space-orig"),
        ("sub-1_label-x_inv-2", "func/x.nii.gz", "sub-1/anat/sub-1_space-orig"),
        ("LUNG1-001", "LUNG1-001_0000.nii.gz", "sub-LUNG1001/anat/sub-LUNG1001_space-orig"),
        ("肺", "x.nii.gz", "sub-fbfb25ed/anat/sub-fbfb25ed_space-orig"),
        ("sub-a_b-c.d", "x.nii.gz", "sub-subabcd/anat/sub-subabcd_space-orig"),
    ],
)
def test_names_are_those_of_the_source_or_legal_ones(name, image, expected):
    label_map, sidecar = BidsWriter().files(case(name, image), model().description)
    assert (label_map, sidecar) == (f"{expected}_desc-nnplug_dseg.nii.gz", f"{expected}_desc-nnplug_dseg.json")
    made = BidsWriter().check(case(name, image), model().description)
    assert bool(made) == ("sub-" not in f"{name}{image}" or "." in name)


def test_another_desc_tells_models_apart():
    writer = BidsWriter(desc="resenc")
    assert writer.files(case("sub-1"), model().description)[0].endswith("_desc-resenc_dseg.nii.gz")
    assert "desc-resenc_dseg.tsv" in writer.shared_files()
    with pytest.raises(InvalidOptions, match="desc is 'a-b'; expected letters and digits"):
        choose_writers(["bids"], {"desc": "a-b"}, Plugins().registry)


def test_shared_files_have_each_model_source_and_subject_once(tmp_path):
    writer, study = BidsWriter(), tmp_path / "study"
    for name in ("sub-1", "sub-2"):
        (study / name).mkdir(parents=True)
    (study / "dataset_description.json").write_text("{}")
    out = study / "derivatives" / "nnplug"
    first = writer.shared(out, {}, case("sub-2", study / "sub-2" / "a.nii.gz"), model())
    both = writer.shared(out, first, case("LUNG-1", tmp_path / "other" / "study" / "b.nii.gz"), model())
    raw = json.loads(both["dataset_description.json"])
    assert raw["DatasetType"] == "derivative"
    assert raw["DatasetLinks"] == {"study": "../..", "study2": (tmp_path / "other" / "study").as_uri()}
    assert [one["URL"] for one in raw["SourceDatasets"]] == [*raw["DatasetLinks"].values()]
    (by,) = raw["GeneratedBy"]
    assert (by["Name"], by["Description"]) == ("nnplug", "Dataset001_A nnunet 2d, version 000000000000")
    assert both["participants.tsv"] == "participant_id\tsource_name\nsub-2\tn/a\nsub-LUNG1\tLUNG-1\n"
    assert both["desc-nnplug_dseg.tsv"] == (
        "index\tname\tcolor\n0\tbackground\tn/a\n1\torgan\t#c86400\n2\ttumour\tn/a\n"
    )
    with pytest.raises(NnplugError, match=r"participants\.tsv: sub-LUNG1 is also 'LUNG-1'; rename one of the images"):
        writer.shared(out, both, case("LUNG1"), model())


def test_what_users_add_stays(tmp_path):
    writer = BidsWriter()
    there = dict(writer.shared(tmp_path, {}, case("a"), model()))
    there["dataset_description.json"] = json.dumps({**json.loads(there["dataset_description.json"]), "Authors": ["A"]})
    there["participants.tsv"] = "participant_id\tage\nsub-a\t30\n"
    there[".bidsignore"] += "notes\n"
    after = writer.shared(tmp_path, there, case("b"), model())
    assert json.loads(after["dataset_description.json"])["Authors"] == ["A"]
    assert after["participants.tsv"] == "participant_id\tage\tsource_name\nsub-a\t30\tn/a\nsub-b\tn/a\tb\n"
    assert after[".bidsignore"] == there[".bidsignore"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("dataset_description.json", "{", r"dataset_description\.json: not valid JSON"),
        ("dataset_description.json", "[]", r"dataset_description\.json: expected an object"),
        ("dataset_description.json", '{"GeneratedBy": 1}', "'GeneratedBy' is 1; expected a list"),
        ("dataset_description.json", '{"DatasetLinks": 1}', "'DatasetLinks' is 1; expected names with URLs"),
        ("participants.tsv", "name\nanna\n", r"participants\.tsv: has the columns name; expected participant_id"),
    ],
)
def test_shared_files_that_cannot_be_understood_are_named(tmp_path, name, content, message):
    with pytest.raises(InvalidFile, match=message):
        BidsWriter().shared(tmp_path, {name: content}, case("a"), model())


def test_a_table_of_another_model_is_refused(tmp_path):
    there = {"desc-nnplug_dseg.tsv": "index\tname\n1\tliver\n"}
    with pytest.raises(NnplugError, match=r"names label value 1 'liver', but the model 'organ'\. Give it another desc"):
        BidsWriter().shared(tmp_path, there, case("a"), model())


def test_values_of_regions_are_named_by_all_of_them(tmp_path):
    regions = model(labels={"background": 0, "whole": [1, 2], "core": 2}, regions_class_order=[1, 2], segments={})
    found = BidsWriter().shared(tmp_path, {}, case("a"), regions)["desc-nnplug_dseg.tsv"]
    assert found == "index\tname\n0\tbackground\n1\twhole\n2\twhole+core\n"


def test_sidecar_files_name_the_images(bids, tmp_path):
    bids.image("sub-01/anat/sub-01_T1w")
    image = bids.folder / "sub-01/anat/sub-01_T1w.nii.gz"
    (bids.folder / "dataset_description.json").write_text("{}")
    one, writer, out = CaseFiles("sub-01", (image,)), BidsWriter(), tmp_path / "out"
    for name, content in writer.shared(out, {}, one, model()).items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(content)
    labels = np.arange(np.prod(GEOMETRY.shape)).reshape(GEOMETRY.shape).astype(np.int16) % 3
    writer.write(out, PredictedCase(one, LabelMap(labels, GEOMETRY), model().description, "m", "0" * 12))
    label_map, sidecar = (out / name for name in writer.files(one, model().description))
    assert np.array_equal(read_label(label_map).array, labels)
    raw = json.loads(sidecar.read_text())
    assert raw["Sources"] == ["bids:bids:sub-01/anat/sub-01_T1w.nii.gz"]
    assert raw["Manual"] is False


@pytest.fixture(scope="session")
def validate(request):
    """`validate(FOLDER)`: the errors of the official validator, and its summary."""
    place = request.config.cache.mkdir("bids-validator-3.0.2")
    if not (place / "deno").is_dir():
        words = ("-m", "pip", "install", "--quiet", "--target", place, VALIDATOR)
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"needs {VALIDATOR}, which pip does not get: {done.stderr.splitlines()[-1:]}")

    def run(folder):
        code = "from bids_validator_deno import cli; cli()"
        words = [sys.executable, "-c", code, str(folder), "--format", "json"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(place)})
        found = json.loads(done.stdout)
        issues = found["issues"]["issues"]
        return [one for one in issues if one["severity"] == "error"], found["summary"]

    return run


@pytest.mark.slow
def test_the_validator_finds_no_error(validate, pack_model, bids, listed, tmp_path, monkeypatch):
    """Every file that a prediction can write is beside the derivative, which lies in the dataset or elsewhere."""
    monkeypatch.chdir(tmp_path)
    pack_model(tmp_path / "model.zip", "T1w", segments=RAW["segments"])
    for name in ("sub-01/ses-1/anat/sub-01_ses-1_run-1", "sub-01/ses-2/anat/sub-01_ses-2_run-1", "sub-02/anat/sub-02"):
        bids.image(f"{name}_T1w", label="manual" if "ses-1" in name else "")
    description = {"Name": "Study", "BIDSVersion": "1.10.0"}
    (bids.folder / "dataset_description.json").write_text(json.dumps(description))
    listed.entry("LUNG1-001")
    inside = bids.folder / "derivatives" / "nnplug"
    image, to = str(listed.folder / "LUNG1-001" / "t1.nii.gz"), ("-m", "model.zip", *FAST, "-ot", "bids")
    everything = ("nifti", "--statistics", "--preview", "--report", "--save-logits", "--save-probabilities")
    for words in (
        ("dataset", "convert", "bids", str(bids.folder), "Dataset502_Study"),
        ("predict", "-i", "Dataset502_Study", "-o", str(inside), *to),
        ("predict", "-i", image, "-o", "out", *to, *everything),
    ):
        done = CliRunner().invoke(main, list(words))
        assert done.exit_code == 0, done.output
    errors, summary = validate(inside)
    assert errors == []
    assert (sorted(summary["subjects"]), summary["sessions"]) == (["01", "02"], ["2"])
    errors, summary = validate(tmp_path / "out")
    assert errors == []
    assert summary["subjects"] == ["t1"]
    (inside / "dataset_description.json").write_text(json.dumps(description))
    assert validate(inside)[0] != []  # it does look
