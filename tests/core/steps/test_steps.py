"""The steps from Python write the files of the commands, byte for byte, and return what they wrote."""

from __future__ import annotations

import json
import logging
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

import nnplug
from nnplug.dataset.phantom import write_phantom
from nnplug.errors import InvalidFile, NnplugError, Problems
from nnplug_cli.main import main

OPTIONS = {
    "planner.base_features": 4,
    "planner.max_features": 8,
    "plan.batch_size": 2,
    "trainer.epochs": 1,
    "trainer.iterations_per_epoch": 1,
    "trainer.val_iterations_per_epoch": 1,
}
SET = [word for key, value in OPTIONS.items() for word in ("--set", f"{key}={json.dumps(value)}")]
NAME = "Dataset999_Phantom"
MOMENTARY = {"run.json", "log.jsonl", "progress.png", "report.html", "bundle.json", "sources.json", "state_final.pt"}
"""Files with times, the command line, hashes of these, or pickled tensors; everything else is compared."""


@dataclass(frozen=True)
class Both:
    """A dataset with a workspace that the command wrote, and one that Python wrote, with what it returned."""

    dataset: Path
    command: Path
    python: Path
    outcome: object
    calls: tuple[tuple[object, ...], ...]


def nnplug_command(*words):
    result = CliRunner().invoke(main, [*map(str, words)])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Two folds of 2d, trained for an iteration, selected and bundled: by the command and by Python."""
    folder = tmp_path_factory.mktemp("steps")
    dataset = write_phantom(folder / NAME, cases=2, unseen=1, shape=(20, 24, 22)).folder
    command, python = folder / "command", folder / "python"
    nnplug_command("split", dataset, "-w", command, "--folds", 2)
    words = ("-c", "2d", "--device", "cpu", "--workers", 1, "--no-mirroring", *SET)
    nnplug_command("run", dataset, "-w", command, *words)
    nnplug.split(dataset, workspace=python, folds=2)
    calls = []
    outcome = nnplug.run(
        dataset,
        workspace=python,
        configurations="2d",
        device="cpu",
        workers=1,
        mirroring=False,
        options=OPTIONS,
        progress=lambda *words: calls.append(words),
    )
    return Both(dataset, command, python, outcome, tuple(calls))


def contents(folder):
    """Return every file of a workspace that depends on data and choices alone -> its bytes."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in MOMENTARY]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if not path.name.startswith(".")}


def test_a_run_writes_the_files_of_the_command_byte_for_byte(both):
    there = contents(both.command)
    found = contents(both.python)
    assert found.keys() == there.keys()
    run = f"{NAME}/runs/nnunet/2d/fold_1"
    for name in (f"{NAME}/plans/nnunet.json", f"{run}/plans.json", f"{run}/weights_final.safetensors"):
        assert name in there
    own = {name for name in there if str(both.command).encode() not in there[name]}  # some name their own paths
    assert [name for name in sorted(own) if found[name] != there[name]] == []
    assert {Path(name).suffix for name in own} >= {".json", ".safetensors", ".gz"}


def test_the_result_of_a_run_has_plans_scores_and_the_model(both):
    outcome, folder = both.outcome, both.python / NAME
    assert outcome.folder == folder
    assert outcome.plans.configuration("2d").batch_size == 2
    assert set(outcome.scores) == {("2d", 0), ("2d", 1)}
    assert outcome.model == folder / "model" / "selected" == Path(outcome.selection.bundle)
    summary = json.loads((folder / "runs" / "nnunet" / "2d" / "fold_0" / "validation" / "summary.json").read_text())
    assert outcome.scores["2d", 0]["foreground_mean"]["Dice"] == summary["foreground_mean"]["Dice"]
    with pytest.raises(NnplugError, match="the run made no model"):
        _ = type(outcome)(folder).model


def test_a_function_is_called_with_title_finished_total_and_latest(both):
    titles = {title for title, *_ in both.calls}
    assert any("2d" in title for title in titles)
    assert ("verify", 0, 2, "") in both.calls
    assert ("verify", 2, 2, "") in both.calls


def test_finished_steps_are_skipped_and_return_what_is_there(both):
    weights = both.python / NAME / "runs" / "nnunet" / "2d" / "fold_0" / "weights_final.safetensors"
    before = weights.stat().st_mtime_ns
    trained = nnplug.train(
        both.dataset, workspace=both.python, configurations=["2d"], folds=0, device="cpu", mirroring=False
    )
    assert trained.runs == {("2d", 0): weights.parent}
    assert trained.scores["2d", 0] == both.outcome.scores["2d", 0]
    assert trained.plans == both.outcome.plans
    assert weights.stat().st_mtime_ns == before


def test_steps_before_training_write_what_a_run_writes(both, tmp_path):
    assert nnplug.verify(both.dataset).problems == ()
    measured = nnplug.fingerprint(both.dataset, workspace=tmp_path)
    assert measured.file.read_bytes() == (both.python / NAME / "fingerprint.json").read_bytes()
    assert len(measured.fingerprint.spacings) == 2
    planned = nnplug.plan(both.dataset, workspace=tmp_path, configurations="2d", options=OPTIONS)
    assert planned.file.read_bytes() == (both.python / NAME / "plans" / "nnunet.json").read_bytes()
    done = nnplug.preprocess(both.dataset, workspace=tmp_path, configurations=("2d",))
    assert done.plans == planned.plans
    assert len(done.stores["2d"]) == 2
    store = both.python / NAME / "preprocessed"
    assert contents(done.stores["2d"].folder) == contents(store / done.stores["2d"].folder.name)
    nnplug.split(both.dataset, workspace=tmp_path, folds=2)
    folds = nnplug.split(both.dataset, workspace=tmp_path)
    assert [len(fold.val) for fold in folds] == [1, 1]
    other = tmp_path / "folds.json"
    other.write_text(json.dumps([fold.data() for fold in folds[::-1]]))
    with pytest.raises(NnplugError, match="replace=True"):
        nnplug.split(both.dataset, workspace=tmp_path, file=other)


def test_a_run_does_not_measure_what_the_step_has_measured(both, tmp_path):
    file = nnplug.fingerprint(both.dataset, workspace=tmp_path).file
    file.write_text(marked := file.read_text() + "\n")
    nnplug.run(both.dataset, workspace=tmp_path, until="fingerprint")
    assert file.read_text() == marked


def test_values_of_options_are_those_of_the_plans_file(both, tmp_path):
    nnplug.fingerprint(both.dataset, workspace=tmp_path)
    options = {"plan.patch_size": (16, 24)}  # a tuple, which JSON does not have
    planned = nnplug.plan(both.dataset, workspace=tmp_path, configurations="2d", options=options)
    written = planned.file.read_bytes()
    nnplug_command("plan", both.dataset, "-w", tmp_path, "-c", "2d", "--set", "plan.patch_size=[16,24]")
    assert planned.plans.configuration("2d").patch_size == (16, 24)
    assert planned.file.read_bytes() == written


def test_plans_of_another_dataset_are_taken_over(both, tmp_path):
    source = both.outcome.model
    planned = nnplug.plan(both.dataset, workspace=tmp_path, source=source, name="theirs")
    assert planned.file == tmp_path / NAME / "plans" / "theirs.json"
    assert planned.plans.configuration("2d") == both.outcome.plans.configuration("2d")
    with pytest.raises(NnplugError, match=r"everything is taken from these plans. Pass only name and options"):
        nnplug.plan(both.dataset, workspace=tmp_path, source=source, trainer="nnunet")


def test_predictions_and_scores_are_those_of_the_commands(both, tmp_path):
    images, references = both.dataset / "imagesTs", both.dataset / "labelsTs"
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    done = nnplug.predict(
        images, ours, both.outcome.model, device="cpu", mirroring=False, statistics=True, classes="body"
    )
    nnplug_command(
        *("predict", "-i", images, "-o", theirs, "-m", both.command / NAME / "model" / "selected"),
        *("--device", "cpu", "--no-mirroring", "--statistics", "--classes", "body"),
    )
    assert done.folder == ours
    assert list(done.files) == ["phantom_002"]
    for file in [*done.files.values(), ours / "statistics.csv"]:
        assert file.read_bytes() == (theirs / file.name).read_bytes()
    scores = nnplug.evaluate(references, ours, metrics=("overlap", "surface"), output=tmp_path / "a.json", workers=1)
    nnplug_command(
        *("evaluate", "-r", references, "-p", ours, "-o", tmp_path / "b.json"),
        *("--metrics", "overlap", "--metrics", "surface"),
    )
    assert scores.file.read_bytes() == (tmp_path / "b.json").read_bytes()
    assert scores.mean["Dice"] == json.loads((tmp_path / "b.json").read_text())["foreground_mean"]["Dice"]
    assert nnplug.evaluate(references, ours).file is None


def test_a_selection_is_that_of_the_run(both, tmp_path):
    again = nnplug.select(both.dataset, workspace=both.python, ensembles=False, device="cpu", output=tmp_path / "m")
    assert again.best == both.outcome.selection.best
    assert Path(again.bundle) == tmp_path / "m"


def test_errors_are_worded_for_python(both, tmp_path):
    with pytest.raises(NnplugError, match=r"no such fingerprint. Measure .* first"):
        nnplug.plan(both.dataset, workspace=tmp_path)
    with pytest.raises(NnplugError, match=r"no such plans. Plan .* with name='other' in workspace .* first"):
        nnplug.preprocess(both.dataset, workspace=tmp_path, name="other")
    with pytest.raises(NnplugError, match=r"begun with other values .*, fresh=True to train it again"):
        nnplug.train(both.dataset, workspace=both.python, configurations="2d", folds=0, device="cpu", seed=4)
    file = tmp_path / "summary.json"
    file.write_text("{}")
    with pytest.raises(Problems, match="allow it with replace=True"):
        nnplug.evaluate(both.dataset / "labelsTs", both.dataset / "labelsTs", output=file)
    with pytest.raises(InvalidFile, match=r"dataset.json"):
        nnplug.run(tmp_path / "nowhere", workspace=tmp_path)


def test_cases_that_cannot_be_scored_are_raised_after_the_others_are_written(both, tmp_path):
    predictions = tmp_path / "predictions"
    predictions.mkdir()
    for file in (both.dataset / "labelsTr").iterdir():
        (predictions / file.name).write_bytes(file.read_bytes())
    (predictions / "phantom_001.nii.gz").write_bytes(b"nothing")
    named = both.dataset / "dataset.json"
    with pytest.raises(Problems, match="phantom_001"):
        nnplug.evaluate(both.dataset / "labelsTr", predictions, dataset_json=named, output=tmp_path / "s.json")
    assert len(json.loads((tmp_path / "s.json").read_text())["metric_per_case"]) == 1


def test_without_a_progress_warnings_go_to_the_logger_and_nothing_is_printed(both, tmp_path, caplog, capsys):
    with caplog.at_level(logging.INFO, logger="nnplug"):
        nnplug.plan(both.dataset, workspace=tmp_path, source=both.outcome.model)
    assert [(one.levelname, one.name) for one in caplog.records] == [("INFO", "nnplug")]
    assert "spacing, patch, network and normalisation are those of" in caplog.text
    assert capsys.readouterr() == ("", "")


def test_the_examples_of_the_page_run(both, tmp_path, monkeypatch, capsys):
    """They find the trainings of the run, so that only what is new takes time."""
    page = (Path(__file__).parents[3] / "docs" / "python.md").read_text()
    shutil.copytree(both.python, tmp_path / "work")
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names = {"__name__": "example", "dataset": both.dataset}
    for example in examples:
        exec(compile(example, "docs/python.md", "exec"), names)
    assert len(examples) == 6
    assert names["trained"].scores == names["result"].scores
    assert "verify: 2/2" in capsys.readouterr().out


def test_the_page_names_every_function():
    page = (Path(__file__).parents[3] / "docs" / "python.md").read_text()
    functions = [name for name in nnplug.__all__ if getattr(nnplug, name).__module__.startswith("nnplug.steps.")]
    assert len(functions) == 10
    for name in functions:
        function = getattr(nnplug, name)
        assert f"| `nnplug.{name}(" in page
        assert f"::: {function.__module__}.{name}\n" in page
