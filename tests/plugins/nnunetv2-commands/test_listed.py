"""A dataset whose `dataset.json` lists its files goes the whole way through nnU-Net's commands."""

from __future__ import annotations

import json

import pytest

from nnplug.dataset.phantom import write_phantom
from nnplug.io.images import read_label, write_label

NAME = "Dataset998_List"


@pytest.fixture
def listed(place):
    """Images elsewhere, label maps in NRRD, folds beside `dataset.json`, and a case under "testing"."""
    images = write_phantom(place.root / "images", cases=4, unseen=0, shape=(20, 24, 22))
    files = {}
    for number, case in enumerate(images.training_cases()):
        label, file = read_label(case.label), case.label.with_name(f"{case.name}.nrrd")
        write_label(file, label.array, label.geometry)
        files[f"case{number}"] = {"images": [str(image) for image in case.images], "label": str(file)}
    folder = place.raw.with_name(NAME)
    folder.mkdir(parents=True)
    testing = {"case3": files.pop("case3")}
    content = {**images.description.raw, "numTraining": 3, "dataset": files, "testing": testing}
    (folder / "dataset.json").write_text(json.dumps(content))
    (folder / "splits_final.json").write_text(json.dumps([{"train": ["case1", "case2"], "val": ["case0"]}]))
    return folder


def dice(file):
    return json.loads(file.read_text())["foreground_mean"]["Dice"]


@pytest.mark.slow
def test_it_is_trained_scored_and_postprocessed(place, listed, add_tiny, tmp_path):
    place.expect("nnUNetv2_plan_and_preprocess", "-d", 998, "-c", "3d_fullres", "-np", 1)
    add_tiny(place.root / "preprocessed" / NAME / "nnUNetPlans.json")
    place.expect("nnUNetv2_train", 998, "tiny", 0, "-tr", "short", nnUNet_n_proc_DA="0")
    model = place.root / "results" / NAME / "short__nnUNetPlans__tiny"
    validation = model / "fold_0" / "validation"
    assert [file.name for file in validation.glob("*.nii.gz")] == ["case0.nii.gz"]
    whole = dice(validation / "summary.json")

    out = tmp_path / "out"
    words = ("-d", 998, "-c", "tiny", "-tr", "short", "-f", 0, "-device", "cpu", "--disable_tta")
    place.expect("nnUNetv2_predict", "-i", listed, "-o", out, *words)
    assert [file.name for file in out.glob("*.nii.gz")] == ["case3.nii.gz"]

    described = ("-djfile", model / "dataset.json", "-pfile", model / "plans.json")
    for number, folder in enumerate((listed, place.root / "preprocessed" / NAME / "gt_segmentations")):
        summary = tmp_path / f"{number}.json"
        place.expect("nnUNetv2_evaluate_folder", folder, validation, *described, "-o", summary, "--chill")
        assert dice(summary) == pytest.approx(whole)
    place.expect("nnUNetv2_evaluate_folder", listed, out, *described)
    assert (out / "summary.json").is_file()

    place.expect("nnUNetv2_determine_postprocessing", "-i", out, "-ref", listed, "-np", 1)
    assert (out / "postprocessing.pkl").is_file()
    assert (out / "postprocessed" / "case3.nii.gz").is_file()
    assert dice(out / "postprocessed" / "summary.json") >= 0
    files = ("-dataset_json", model / "dataset.json", "-plans_json", model / "plans.json")
    done = place.run("nnUNetv2_determine_postprocessing", "-i", validation, "-ref", listed, *files)
    assert "has no prediction" in done.stderr  # references of other folds, as in nnU-Net
