"""Predictions with models of nnplug and of nnU-Net itself, by their names in nnUNet_results and by folder."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import SimpleITK

from nnplug.io.images import read_label


def arrays(folder):
    return {path.name: read_label(path).array for path in sorted(folder.glob("*.nii.gz"))}


def predict(place, output, *words, **variables):
    flags = ("-i", place.raw / "imagesTs", "-o", output, "-d", 999, "-c", "tiny", "-tr", "short")
    return place.run("nnUNetv2_predict", *flags, *words, **variables)


def test_a_script_as_it_is_and_the_files_that_it_leaves(trained, tmp_path):
    flags = ("-i", trained.raw / "imagesTs", "-o", tmp_path / "out", "-d", 999, "-c", "tiny", "-tr", "short", "-f", 0)
    trained.installed("nnUNetv2_predict", *flags, "--save_probabilities", "-npp", 0, "-nps", 0, "-device", "cpu")
    predicted = arrays(tmp_path / "out")
    assert len(predicted) == 3
    plans = json.loads((tmp_path / "out" / "plans.json").read_text())
    assert plans["plans_name"] == "nnUNetPlans"
    name = next(iter(predicted))
    probabilities = np.load(tmp_path / "out" / name.replace(".nii.gz", ".npz"))["probabilities"]
    assert probabilities.shape == (3, *predicted[name].shape)


def test_parts_are_the_whole_and_flags_reach_the_prediction(trained, tmp_path):
    quick = (
        "-f",
        0,
        "--disable_tta",
        "--not_on_device",
        "-step_size",
        1,
        "-chk",
        "checkpoint_best.pth",
        "--disable_progress_bar",
    )
    for part in (0, 1):
        done = predict(trained, tmp_path / "parts", *quick, "-num_parts", 2, "-part_id", part)
        assert done.returncode == 0, done.stderr
    assert len(arrays(tmp_path / "parts")) == 3
    log = (tmp_path / "parts" / "predictions.jsonl").read_text()
    folder = ("-m", trained.model(), "-i", trained.raw / "imagesTs", "-o", tmp_path / "parts")
    again = trained.expect("nnUNetv2_predict_from_modelfolder", *folder, *quick, "--continue_prediction")
    assert (tmp_path / "parts" / "predictions.jsonl").read_text() == log, again.stderr


def test_an_image_in_another_unit_is_refused_unless_it_is_forced(trained, tmp_path):
    (tmp_path / "in").mkdir()
    for file in sorted((trained.raw / "imagesTs").glob("*.nii.gz"))[:2]:  # both channels of the first case
        image = SimpleITK.ReadImage(str(file))
        image.SetSpacing([length / 1000 for length in image.GetSpacing()])
        SimpleITK.WriteImage(image, str(tmp_path / "in" / f"metres_{file.name[-11:]}"))
    words = ("-m", trained.model(), "-i", tmp_path / "in", "-o", tmp_path / "out", "-f", 0, "--disable_tta")
    refused = trained.run("nnUNetv2_predict_from_modelfolder", *words)
    assert refused.returncode == 1
    assert "the model was trained at" in refused.stderr
    assert "or predict it as it is with --force" in refused.stderr
    trained.expect("nnUNetv2_predict_from_modelfolder", *words, "--force")
    assert (tmp_path / "out" / "metres.nii.gz").is_file()


def test_the_checkpoint_alone_predicts_what_the_run_does(trained, tmp_path):
    """A model folder as nnU-Net knows it, without anything of ours."""
    model = tmp_path / "model"
    (model / "fold_0").mkdir(parents=True)
    for name in ("plans.json", "dataset.json", "fold_0/checkpoint_final.pth"):
        shutil.copy(trained.model() / name, model / name)
    for folder in (trained.model(), model):
        words = (
            "-m",
            folder,
            "-i",
            trained.raw / "imagesTs",
            "-o",
            tmp_path / f"by_{folder.name}",
            "-f",
            0,
            "--disable_tta",
        )
        trained.expect("nnUNetv2_predict_from_modelfolder", *words)
    ours, theirs = arrays(tmp_path / f"by_{trained.model().name}"), arrays(tmp_path / "by_model")
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_an_ensemble_of_two_predictions(trained, tmp_path):
    for name, words in (("a", ("--disable_tta",)), ("b", ("-chk", "checkpoint_best.pth"))):
        assert predict(trained, tmp_path / name, "-f", 0, "--save_probabilities", *words).returncode == 0
    folders = [tmp_path / name for name in "ab"]
    trained.expect("nnUNetv2_ensemble", "-i", *folders, "-o", tmp_path / "mean", "--save_npz", "-np", 1)
    mean, *members = (
        {p.name: np.load(p)["probabilities"] for p in (tmp_path / n).glob("*.npz")} for n in ("mean", *"ab")
    )
    assert len(mean) == 3
    for case, probabilities in mean.items():
        np.testing.assert_allclose(probabilities, (members[0][case] + members[1][case]) / 2, atol=1e-6)
    assert arrays(tmp_path / "mean").keys() == arrays(tmp_path / "a").keys()


def test_a_model_that_nnunet_trained(prepared, shared, tmp_path):
    reference = shared / "reference" / "models" / "hippocampus"
    (tmp_path / "images").mkdir()
    shutil.copy(reference / "images" / "hippocampus_003_0000.nii.gz", tmp_path / "images")
    words = ("-m", reference / "model", "-i", tmp_path / "images", "-o", tmp_path / "out", "-f", 0)
    prepared.expect("nnUNetv2_predict_from_modelfolder", *words)
    ours = read_label(tmp_path / "out" / "hippocampus_003.nii.gz").array
    theirs = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(reference / "predictions" / "hippocampus_003.nii.gz")))
    assert np.array_equal(ours, theirs)


def test_label_maps_of_others_stay_when_a_prediction_continues(trained, tmp_path):
    out = tmp_path / "out"
    assert predict(trained, out, "-f", 0).returncode == 0
    (first, *others) = sorted(out.glob("*.nii.gz"))
    corrected = SimpleITK.ReadImage(str(first))
    SimpleITK.WriteImage(corrected * 0 + 1, str(first))
    content = first.read_bytes()
    (out / others[0].name).unlink() if others else None
    done = predict(trained, out, "-f", 0, "--disable_tta", "--continue_prediction")
    assert done.returncode == 0
    assert f"1 label maps that nnplug did not write stay ({first.name.removesuffix('.nii.gz')}, ..)" in done.stderr
    assert first.read_bytes() == content
    assert sorted(out.glob("*.nii.gz")) == [first, *others]


def test_verbose_shows_where_an_error_came_from(trained, tmp_path):
    wrong = ("-f", 0, "-i", "nowhere")
    assert "Traceback" in predict(trained, tmp_path / "out", *wrong, "--verbose").stderr
    words = ("nnUNetv2_predict_from_modelfolder", "-m", trained.model(), "-o", tmp_path / "out", *wrong)
    assert "Traceback" in trained.run(*words, "--verbose").stderr
    assert "Traceback" not in trained.run(*words).stderr


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        ((), 1, "has no fold 1, 2, 3, 4. Give -f 0, or train the others."),
        (("-f", 0, "-p", "other"), 1, "short__other__tiny: no such model; "),
        (("-f", 0, "-part_id", 1), 1, "-part_id is 1, but parts go from 0 to 0 (-num_parts)"),
        (("-f", 0, "-i", "nowhere"), 1, "nowhere: no such folder; -i is a folder of images"),
        (("-f", 0, "-prev_stage_predictions", "low"), 1, "-prev_stage_predictions low: tiny refines no other config"),
        (("-f", "x"), 2, "'x' is neither a fold's number nor 'all'"),
        (("-f", 0, "-step_size", 2), 2, "'2' is no number above 0 and up to 1"),
        (("-f", 0, "--fast"), 2, "unrecognized arguments: --fast"),
    ],
)
def test_mistakes_are_told(trained, tmp_path, words, code, line):
    done = predict(trained, tmp_path / "out", *words)
    assert done.returncode == code
    assert line in " ".join(done.stderr.split())
    assert not (tmp_path / "out").exists()
