"""What components return is checked where the core gets it: one line names the component and its distribution."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from nnplug.dataset.phantom import write_phantom
from nnplug_cli.main import main

PLUGIN = Path(__file__).with_name("plugin.py")
TINY = {
    "planner.base_features": 4,
    "planner.max_features": 8,
    "plan.patch_size": "[16,16,16]",
    "plan.batch_size": 2,
    "trainer.epochs": 1,
    "trainer.iterations_per_epoch": 2,
    "trainer.val_iterations_per_epoch": 1,
}
CHECK = "Run: nnplug plugins check nnplug-hostile"


@pytest.fixture(autouse=True)
def hostile(install):
    install("nnplug-hostile", "hostile", PLUGIN.read_text())


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return write_phantom(tmp_path_factory.mktemp("raw") / "Dataset900_Tiny", cases=5, unseen=0, shape=(24, 24, 24))


@pytest.fixture
def run(raw, tmp_path):
    def run(*words, until="validate"):
        settings = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
        where = ["-w", str(tmp_path / "work"), "-c", "3d_fullres", "-f", "0", "--device", "cpu", "--until", until]
        return CliRunner().invoke(main, ["run", str(raw.folder), *where, *settings, *words])

    return run


def the_error(done):
    """The only line, which no traceback surrounds and which says how to check the distribution."""
    assert done.exit_code == 1, done.output
    assert "Traceback" not in done.stderr
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert line.endswith(CHECK)
    return line


@pytest.mark.parametrize(
    ("augmenter", "fault"),
    [
        ("float64", "gave an image of float64; expected float32"),
        ("nan", "gave an image with values that are not finite"),
        ("label", r"gave label \d+; expected labels from 0 to 2"),
        ("channels", "gave an image of 3 channels; expected 2"),
        ("image", "gave ndarray instead of image and label"),
    ],
)
def test_an_augmenter_is_named_with_the_case_and_not_the_trainer(run, augmenter, fault):
    line = the_error(run("--augmenter", f"hostile-{augmenter}"))
    who = f"augmenter 'hostile-{augmenter}' from nnplug-hostile 1.0"
    assert re.search(rf"fold 0: case 'phantom_00\d': .*{re.escape(who)} {fault}", line)
    assert "learning rate" not in line


@pytest.mark.parametrize(
    ("augmenter", "fault"),
    [
        ("float64-batches", "gave an image of float64; expected float32"),
        ("nan-batches", "gave an image with values that are not finite"),
    ],
)
def test_an_augmenter_of_batches_is_named(run, augmenter, fault):
    line = the_error(run("--augmenter", f"hostile-{augmenter}", "--set", "trainer.augment_on=device"))
    assert f"fold 0: augmenter 'hostile-{augmenter}' from nnplug-hostile 1.0 {fault}" in line


def test_a_normalizer_that_gives_infinity_is_named_when_cases_are_prepared(run):
    scheme = '[{"name":"hostile-infinite","use_mask":false},{"name":"zscore","use_mask":false}]'
    done = run(f"--set=plan.normalization={scheme}", until="preprocess")
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 5, "a line per case"
    fault = "normalizer 'hostile-infinite' from nnplug-hostile 1.0 gave values that are not finite"
    assert lines[0].startswith(f"error: preprocess of phantom_000: {fault}")


def test_a_network_with_an_output_too_many_is_named_before_it_trains(run, tmp_path):
    line = the_error(run("--architecture", "hostile-outputs"))
    who = "architecture 'hostile-outputs' from nnplug-hostile 1.0"
    assert f"train of 3d_fullres fold 0: {who} gave logits of 4 channels; the labels need 3" in line
    assert not list((tmp_path / "work").rglob("weights_*"))


def test_a_network_that_gives_a_list_in_evaluation_mode_is_named(run):
    line = the_error(run("--architecture", "hostile-list"))
    assert "architecture 'hostile-list' from nnplug-hostile 1.0 gave list instead of one tensor of logits" in line


@pytest.mark.parametrize(
    ("trainer", "fault"),
    [
        ("nothing", r"ended its training without .*fold_0/weights_final\.safetensors"),
        ("state", r"ended its training and left .*fold_0/state\.pt, which means a stopped training"),
        ("weights", r"wrote weights that do not fit the network: \S+ is missing instead of \("),
    ],
)
def test_a_trainer_that_does_not_finish_is_named(run, trainer, fault):
    line = the_error(run("--trainer", f"hostile-{trainer}"))
    assert re.search(rf"fold 0: trainer 'hostile-{trainer}' from nnplug-hostile 1\.0 {fault}", line)


def test_a_learning_rate_that_is_no_number_is_named_with_the_iteration(run):
    line = the_error(run("--trainer", "hostile-rate"))
    fault = "gave the learning rate '0.01' for iteration 0; expected a float from 0"
    assert f"fold 0: trainer 'hostile-rate' from nnplug-hostile 1.0 {fault}" in line


@pytest.mark.parametrize(
    ("executor", "fault"),
    [
        ("drop", "gave no result for phantom_004"),
        ("double", "gave the result of phantom_004 again"),
        ("swap", "gave the result of phantom_003 too late"),
        ("none", "gave NoneType instead of the result of the function"),
    ],
)
def test_an_executor_that_loses_or_mixes_cases_is_named(raw, executor, fault):
    done = CliRunner().invoke(main, ["verify", str(raw.folder), "--executor", f"hostile-{executor}"])
    assert f"executor 'hostile-{executor}' from nnplug-hostile 1.0 {fault}" in the_error(done)
    assert "0 problems" not in done.output


def label_maps(raw):
    folder = str(raw.folder / "labelsTr")
    return ["-r", folder, "-p", folder, "--dataset-json", str(raw.folder / "dataset.json")]


@pytest.mark.parametrize(
    ("metric", "fault"),
    [
        ("text", "gave 'good' as odd of 1; expected a number"),
        ("key", "gave even for 1; expected odd"),
        ("class", "gave figures for 1; expected 1, 2"),
    ],
)
def test_a_metric_is_named_with_the_case(raw, tmp_path, metric, fault):
    words = [*label_maps(raw), "-o", str(tmp_path / "summary.json"), "--metrics", f"hostile-{metric}"]
    done = CliRunner().invoke(main, ["evaluate", *words])
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 5, "a line per case"
    who = f"metric 'hostile-{metric}' from nnplug-hostile 1.0"
    assert lines[0] == f"error: evaluate of phantom_000.nii.gz: {who} {fault}. {CHECK}"
    assert not (tmp_path / "summary.json").exists()


def fit(raw, tmp_path, postprocessor):
    words = [*label_maps(raw), "-o", str(tmp_path / "rule.json"), "--postprocessor", f"hostile-{postprocessor}"]
    return CliRunner().invoke(main, ["postprocess", "fit", *words])


def test_a_rule_that_is_no_json_is_named_with_its_place(raw, tmp_path):
    line = the_error(fit(raw, tmp_path, "rule"))
    fault = "gave a rule that JSON does not hold: limits[0].voxels is numpy.int64"
    assert f"postprocessor 'hostile-rule' from nnplug-hostile 1.0 {fault}" in line
    assert not (tmp_path / "rule.json").exists()


@pytest.mark.parametrize(
    ("postprocessor", "fault"),
    [
        ("77", "gave label 77, which the labels lack (they are 0, 1, 2)"),
        ("float", "gave a label map of float64; expected integers"),
    ],
)
def test_a_postprocessor_is_named_with_the_file(raw, tmp_path, postprocessor, fault):
    assert fit(raw, tmp_path, postprocessor).exit_code == 0
    words = ["-i", str(raw.folder / "labelsTr"), "-o", str(tmp_path / "out"), "--rule", str(tmp_path / "rule.json")]
    done = CliRunner().invoke(main, ["postprocess", "apply", *words])
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 5, "a line per case"
    who = f"postprocessor 'hostile-{postprocessor}' from nnplug-hostile 1.0"
    assert lines[0].startswith(f"error: postprocess of phantom_000.nii.gz: {who} {fault}")
    assert not list(tmp_path.glob("out/[!.]*"))
