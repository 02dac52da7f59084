"""Scores and postprocessing through the commands: nnunetv2's figures, and files in its layout."""

from __future__ import annotations

import json
import math
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from nnplug.dataset.description import DatasetDescription
from nnplug.errors import InvalidFile, NnplugError
from nnplug.evaluation.summary import write_summary
from nnplug.io.images import read_label
from nnplug_nnunetv2_commands.scoring import describe, read_rule, rewrite_as_nnunet, write_rule

SETS = ("ignore", "islands-everywhere", "islands-of-one", "regions", "scattered")


@pytest.fixture
def command(scripts, monkeypatch):
    """Run a command in this process; what it prints is the test's to read."""

    def run(name, *words):
        monkeypatch.setattr(sys, "argv", [f"nnUNetv2_{name}", *map(str, words)])
        scripts[f"nnUNetv2_{name}"]()

    return run


@pytest.fixture(params=SETS)
def reference(request, shared, tmp_path):
    """A reference set whose predictions lie in a folder that may be written to."""
    source = shared / "reference" / "postprocess" / request.param
    shutil.copytree(source / "predictions", tmp_path / "predictions")
    shutil.copy(source / "dataset.json", tmp_path / "predictions" / "dataset.json")
    (tmp_path / "predictions" / "plans.json").write_text('{"label_manager": "LabelManager"}')
    return source, tmp_path / "predictions"


def load(path):
    return json.loads(path.read_text())


def test_scores_and_postprocessing_are_those_of_nnunet(command, reference):
    source, folder = reference
    labels = ("-djfile", folder / "dataset.json", "-pfile", folder / "plans.json")
    command("evaluate_folder", source / "labels", folder, *labels, "-np", 1)
    assert_close(load(folder / "summary.json"), load(source / "expected" / "summary.json"))
    command("determine_postprocessing", "-i", folder, "-ref", source / "labels", "-np", 1)
    expected = load(source / "expected" / "postprocessing.json")
    assert load(folder / "postprocessing.json") == load(folder / "postprocessing.pkl")
    assert steps(load(folder / "postprocessing.pkl")) == steps(expected)
    after = load(folder / "postprocessed" / "summary.json")
    assert_close(after, load(source / "expected" / "summary_postprocessed.json"))


def test_only_the_rule_is_left_where_asked(command, shared, tmp_path):
    source, folder = shared / "reference" / "postprocess" / "islands-of-one", tmp_path / "predictions"
    shutil.copytree(source / "predictions", folder)
    (tmp_path / "plans.json").write_text("{}")
    files = ("-plans_json", tmp_path / "plans.json", "-dataset_json", source / "dataset.json")
    command("determine_postprocessing", "-i", folder, "-ref", source / "labels", *files, "--remove_postprocessed")
    assert steps(load(folder / "postprocessing.json")) == steps(load(source / "expected" / "postprocessing.json"))
    assert not (folder / "postprocessed").exists()


def steps(rule):
    arguments = rule.get("postprocessing_kwargs") or rule.get("arguments", [])  # the second in shared references
    values = [one["labels_or_regions"] for one in arguments]
    return [value if isinstance(value, list) else [value] for value in values]


def test_scores_of_a_training_become_nnunets(tmp_path):
    """nnplug writes null where nnU-Net's programs expect NaN, and a mean over the classes that have a case."""
    classes = {"1": {"Dice": 0.5}, "2": {"Dice": math.nan}}
    case = {"metrics": classes, "prediction_file": "a", "reference_file": "b"}
    whole = {"foreground_mean": {"Dice": math.nan}, "mean": classes, "metric_per_case": [case]}
    write_summary(tmp_path / "summary.json", whole)
    assert load(tmp_path / "summary.json")["foreground_mean"]["Dice"] == 0.5
    found = rewrite_as_nnunet(tmp_path / "summary.json")
    assert json.dumps(found) == json.dumps(load(tmp_path / "summary.json")) == json.dumps(whole)


def assert_close(ours, theirs):
    assert ours["mean"].keys() == theirs["mean"].keys()
    for label, figures in theirs["mean"].items():
        for name, value in figures.items():
            assert ours["mean"][label][name] == pytest.approx(value, nan_ok=True)


def test_postprocessing_by_nnunets_own_file(command, shared, tmp_path):
    source = shared / "reference" / "postprocess" / "islands-of-one"
    files = ("-plans_json", tmp_path / "plans.json", "-dataset_json", source / "dataset.json")
    (tmp_path / "plans.json").write_text("{}")
    rule = ("-pp_pkl_file", source / "expected" / "postprocessing.json")
    command("apply_postprocessing", "-i", source / "predictions", "-o", tmp_path / "out", *rule, *files, "-np", 1)
    for expected in (source / "expected" / "postprocessed").glob("*.nii.gz"):
        assert np.array_equal(read_label(tmp_path / "out" / expected.name).array, read_label(expected).array)
    assert (tmp_path / "out" / "plans.json").exists()


def test_scores_by_a_list_of_labels(command, shared, tmp_path):
    source = shared / "reference" / "postprocess" / "islands-of-one"
    words = (source / "labels", source / "predictions", "-l", 1, 3, "-o", tmp_path / "summary.json", "-np", 1)
    command("evaluate_simple", *words)
    ours, theirs = load(tmp_path / "summary.json"), load(source / "expected" / "summary.json")
    assert ours["mean"].keys() == {"1", "3"}
    for label in ("1", "3"):
        assert ours["mean"][label]["Dice"] == pytest.approx(theirs["mean"][label]["Dice"])


@pytest.fixture
def one_missing(shared, tmp_path):
    """A reference set of which one case has no prediction, and the name of that case."""
    source = shared / "reference" / "postprocess" / "islands-of-one"
    shutil.copytree(source / "predictions", tmp_path / "predictions")
    shutil.copy(source / "dataset.json", tmp_path / "predictions")
    (tmp_path / "predictions" / "plans.json").write_text("{}")
    left_out = min((tmp_path / "predictions").glob("*.nii.gz"))
    left_out.unlink()
    return source / "labels", tmp_path / "predictions", left_out.name


@pytest.mark.parametrize("name", ["evaluate_folder", "evaluate_simple"])
def test_missing_predictions_are_left_out_with_chill_alone(command, one_missing, tmp_path, name, capsys):
    labels, folder, left_out = one_missing
    own = (
        ("-l", 1)
        if name == "evaluate_simple"
        else ("-djfile", folder / "dataset.json", "-pfile", folder / "plans.json")
    )
    words = (name, labels, folder, *own, "-o", tmp_path / "summary.json")
    with pytest.raises(SystemExit):
        command(*words)
    assert left_out in capsys.readouterr().err
    assert not (tmp_path / "summary.json").exists()
    command(*words, "--chill")
    scored = {Path(case["reference_file"]).name for case in load(tmp_path / "summary.json")["metric_per_case"]}
    assert scored == {path.name for path in labels.glob("*.nii.gz")} - {left_out}


def test_voxels_of_the_ignored_reference_label_do_not_count(command, shared, tmp_path):
    source = shared / "reference" / "postprocess" / "islands-of-one"
    words = (source / "labels", source / "predictions", "-l", 1, "-il", 3, "-o", tmp_path / "summary.json")
    command("evaluate_simple", *words)
    ignored = 0
    for case in load(tmp_path / "summary.json")["metric_per_case"]:
        reference, prediction = (read_label(Path(case[f"{what}_file"])).array for what in ("reference", "prediction"))
        ignored += np.count_nonzero((reference == 3) & (prediction == 1))
        expected, found = (array[reference != 3] == 1 for array in (reference, prediction))
        dice = 2 * np.count_nonzero(expected & found) / (np.count_nonzero(expected) + np.count_nonzero(found))
        assert case["metrics"]["1"]["Dice"] == pytest.approx(dice)
        assert case["metrics"]["1"]["FP"] == np.count_nonzero(found & ~expected)
    assert ignored, "the flag changes the figures of this set"


@pytest.fixture
def description():
    labels = {"background": 0, "a": 1, "b": 2}
    raw = {"channel_names": {"0": "MRI"}, "labels": labels, "numTraining": 1, "file_ending": ".nii.gz"}
    return DatasetDescription.from_data(raw, "here")


def test_a_rule_is_read_as_it_was_written(call, description, tmp_path):
    write_rule(tmp_path, {"keep_largest": [[1, 2], [2]]})
    assert load(tmp_path / "postprocessing.pkl")["postprocessing_kwargs"] == [
        {"labels_or_regions": [1, 2]},
        {"labels_or_regions": 2},
    ]
    rule = read_rule(tmp_path / "postprocessing.pkl", description, call)
    assert rule.record.rule == {"keep_largest": [[1, 2], [2]]}


def test_a_rule_of_nnunet_and_one_of_an_earlier_nnplug_are_read(call, description, tmp_path):
    name = "remove_all_but_largest_component_from_segmentation"
    steps = [{"labels_or_regions": [1, 2]}, {"labels_or_regions": 2}]
    nnunet = {"input_folder": {}, "postprocessed": {}}
    nnunet |= {"postprocessing_fns": [name, name], "postprocessing_kwargs": steps}
    for number, rule in enumerate((nnunet, {"functions": [name, name], "arguments": steps})):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(rule))
        assert read_rule(path, description, call).record.rule == {"keep_largest": [[1, 2], [2]]}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (pickle.dumps([print]), "is a pickle, which could run code and is not read. Give the postprocessing.json"),
        (b"{}", "no postprocessing of nnU-Net"),
        (b'{"functions": ["mine"], "arguments": [{}]}', "has the step 'mine'; nnplug has remove_all_but"),
        (
            b'{"functions": ["remove_all_but_largest_component_from_segmentation"], "arguments": [{"x": 1}]}',
            "expected labels_or_regions",
        ),
    ],
)
def test_other_rules_are_refused(call, description, tmp_path, content, line):
    (tmp_path / "postprocessing.pkl").write_bytes(content)
    with pytest.raises(InvalidFile, match=line):
        read_rule(tmp_path / "postprocessing.pkl", description, call)


def test_a_missing_rule_and_a_foreign_label_manager_are_told(call, description, tmp_path):
    with pytest.raises(NnplugError, match="nnUNetv2_determine_postprocessing writes it"):
        read_rule(tmp_path / "none.pkl", description, call)
    (tmp_path / "plans.json").write_text('{"label_manager": "Mine"}')
    with pytest.raises(InvalidFile, match="'label_manager' is 'Mine'"):
        describe(None, None, tmp_path)


def test_the_folds_predictions_are_gathered_and_scored(copied):
    copied.expect(
        "nnUNetv2_accumulate_crossval_results", 999, "-c", "tiny", "-tr", "short", "-p", "nnUNetPlans", "-f", 0
    )
    model = copied.model()
    folder = model / "crossval_results_folds_0"
    assert {path.name for path in folder.iterdir()} >= {"summary.json", "plans.json", "dataset.json"}
    assert_close(load(folder / "summary.json"), load(model / "fold_0" / "validation" / "summary.json"))
    missing = copied.run("nnUNetv2_accumulate_crossval_results", 999, "-c", "tiny", "-tr", "short", "-f", 0, 1)
    assert missing.returncode == 1
    assert "not validated yet; run nnUNetv2_train for fold 1" in missing.stderr
    words = ("-c", "tiny", "-tr", "short", "-p", "other", "-f", 0)
    other = copied.run("nnUNetv2_accumulate_crossval_results", 999, *words)
    assert "short__other__tiny: no such model" in other.stderr
