"""nnU-Net's commands replace earlier results, as nnU-Net's own do, but neither inputs nor another dataset's files."""

from __future__ import annotations

import json
import shutil

import pytest


@pytest.fixture
def lost(trained, tmp_path):
    """`lost(path, words, command, ..)`: the command is refused for the file; every file of the test stays as it was."""

    def refused(path, words, command, *arguments, **variables):
        before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
        done = trained.run(f"nnUNetv2_{command}", *arguments, **variables)
        assert done.returncode == 1, done.stderr
        assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
        assert f"error: {path}: " in done.stderr
        assert words in done.stderr

    return refused


@pytest.fixture
def predictions(trained, tmp_path):
    """Three label maps with probabilities, and their references."""
    out = tmp_path / "predictions"
    words = ("-i", trained.raw / "imagesTs", "-o", out, "-d", 999, "-c", "tiny", "-tr", "short", "-f", 0)
    for _ in range(2):  # a second call replaces the first one's results, whatever has become of them
        trained.expect("nnUNetv2_predict", *words, "--disable_tta", "--save_probabilities", "-device", "cpu")
        first = next(out.glob("*.nii.gz"))
        good, _ = first.read_bytes(), first.write_bytes(b"changed")
    first.write_bytes(good)
    shutil.copytree(trained.raw / "labelsTs", tmp_path / "references")
    return out


def test_images_models_and_other_datasets_are_not_predicted_over(trained, lost, tmp_path):
    images, model = tmp_path / "images", tmp_path / "model"
    images.mkdir()
    for channel in (0, 1):  # whose case is called a_0000: its label map would be channel 0 of case a
        source = next((trained.raw / "imagesTs").glob(f"*_{channel:04d}.nii.gz"))
        for case in ("a", "a_0000"):
            shutil.copy(source, images / f"{case}_{channel:04d}.nii.gz")
    shutil.copytree(trained.model(), model)
    words = ("predict_from_modelfolder", "-i", images, "-m", model, "-f", 0, "-device", "cpu")
    lost(images / "a_0000.nii.gz", "is read here", *words, "-o", images)
    lost(model, "holds the trainings of a configuration", *words, "-o", model)
    (tmp_path / "out").mkdir()
    raw = json.loads((model / "dataset.json").read_text())
    (tmp_path / "out" / "dataset.json").write_text(json.dumps({**raw, "channel_names": {"0": "CT", "1": "PET"}}))
    lost(tmp_path / "out" / "dataset.json", "belongs to another dataset", *words, "-o", tmp_path / "out")


def test_scores_rules_and_ensembles_are_not_written_over_their_inputs(trained, lost, predictions, tmp_path):
    label = next(predictions.glob("*.nii.gz"))
    lost(label, "is read here", "ensemble", "-i", predictions, predictions, "-o", predictions)
    described = ("-djfile", predictions / "dataset.json", "-pfile", predictions / "plans.json", "-np", 1)
    scored = ("evaluate_folder", tmp_path / "references", predictions, *described)
    for file in (label, tmp_path / "references" / label.name, predictions / "dataset.json", predictions / "plans.json"):
        lost(file, "is read here", *scored, "-o", file)
    lost(label, "is read here", "evaluate_simple", tmp_path / "references", predictions, "-l", 1, "-o", label)
    trained.expect("nnUNetv2_determine_postprocessing", "-i", predictions, "-ref", tmp_path / "references", "-np", 1)
    rule = predictions / "postprocessing.pkl"
    applied = ("apply_postprocessing", "-i", predictions, "-pp_pkl_file", rule, "-np", 1)
    lost(predictions / "dataset.json", "is read here", *applied, "-o", predictions)
    for _ in range(2):
        trained.expect(f"nnUNetv2_{applied[0]}", *applied[1:], "-o", tmp_path / "out")
    postprocessed = predictions / "postprocessed"
    shutil.copytree(tmp_path / "references", postprocessed, dirs_exist_ok=True)
    lost(postprocessed, "which is read here", "determine_postprocessing", "-i", predictions, "-ref", postprocessed)


def test_exported_and_installed_models_replace_no_input(trained, copied, lost, tmp_path):
    checkpoint = copied.model() / "fold_0" / "checkpoint_final.pth"
    results = {"nnUNet_results": str(tmp_path / "results")}
    words = ("-d", 999, "-c", "tiny", "-tr", "short", "-f", 0)
    lost(checkpoint, "is read here", "export_model_to_zip", *words, "-o", checkpoint, **results)
    trained.expect("nnUNetv2_export_model_to_zip", *words, "-o", tmp_path / "model.zip", **results)
    description = copied.model() / "dataset.json"
    raw = json.loads(description.read_text())
    for _ in range(2):
        trained.expect("nnUNetv2_install_pretrained_model_from_zip", tmp_path / "model.zip", **results)
    description.write_text(json.dumps({**raw, "channel_names": {"0": "CT", "1": "PET"}}))
    zipped = tmp_path / "model.zip"
    lost(description, "belongs to another dataset", "install_pretrained_model_from_zip", zipped, **results)


def test_folds_are_not_gathered_over_themselves(copied, lost, tmp_path):
    place = copied.model() / "fold_0" / "validation"
    words = ("accumulate_crossval_results", 999, "-c", "tiny", "-tr", "short", "-f", 0, "-o", place)
    lost(next(place.glob("*.nii.gz")), "is read here", *words, nnUNet_results=str(tmp_path / "results"))


def test_pictures_are_replaced_but_no_plans_by_themselves(prepared, lost, tmp_path):
    words = ("-d", 999, "-o", tmp_path / "pictures", "--use_raw", "-np", 1)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "phantom_000.png").write_text("earlier")
    prepared.expect("nnUNetv2_plot_overlay_pngs", *words)
    assert (tmp_path / "pictures" / "phantom_000.png").read_bytes()[:4] == b"\x89PNG"
    plans = prepared.preprocessed / "nnUNetPlans.json"
    before = plans.read_bytes()
    lost(plans, "is read here", "move_plans_between_datasets", "-s", 999, "-t", 999, "-sp", "nnUNetPlans")
    assert plans.read_bytes() == before
