"""Selection: nnU-Net's decisions on constructed cross-validations, and the bundle that comes of them."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.metadata import version
from itertools import combinations
from pathlib import Path

import msgspec
import numpy as np
import pytest
import SimpleITK
import torch
from safetensors.torch import save_file

from nnplug.dataset.dataset import Dataset
from nnplug.errors import NnplugError, Problems
from nnplug.models.ensemble_bundle import EnsembleBundle, read_any
from nnplug.models.open import open_model
from nnplug.plans.plans import Choice
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.json_files import write_json
from nnplug.runtime.progress import Silent
from nnplug.selection.ranking import Ranking
from nnplug.selection.request import Selection, SelectRequest
from nnplug.selection.select import select
from nnplug.workspace.layout import Workspace
from nnplug.workspace.run_record import RunRecord

ROOT = Path(__file__).parents[3]
GOLDEN = json.loads((Path(__file__).parent / "golden" / "selection.json").read_text())
SOURCE = (ROOT / "bench" / "oracle" / "selection.py").read_text().split('if __name__ == "__main__"')[0]
CONSTRUCTED: dict = {"__name__": "constructed"}
exec(compile(SOURCE, "selection.py", "exec"), CONSTRUCTED)  # numpy alone: nnunetv2 is imported where it is asked
FOLDS, CONFIGURATIONS = CONSTRUCTED["FOLDS"], CONSTRUCTED["CONFIGURATIONS"]


class Listener(Silent):
    def __init__(self):
        self.warnings = []

    def warning(self, message):
        self.warnings.append(message)


@pytest.fixture
def construct(plans, provider, write_dataset, tmp_path):
    """A workspace in which every configuration was trained; its models have weights that nobody predicts with."""

    def write_run(space, name, configuration, fold, description):
        run = space.run("nnunet", configuration, fold)
        run.validation.mkdir(parents=True)
        options = {"configurations": {configuration: plans.configurations["3d_fullres"]}}
        choices = {"choices": {str(Kind.POSTPROCESSOR): Choice(name="largest-component")}}
        own = msgspec.structs.replace(plans, **options, **choices)
        own.write(run.plans)
        run.description.write_text(json.dumps(description))
        RunRecord(
            dataset=plans.dataset,
            plans="nnunet",
            plans_digest=own.digest(),
            configuration=configuration,
            fold=fold,
            seed=0,
            command=("nnplug", "train"),
            providers=(provider,),
            versions={},
            mirror_axes=(0, 1, 2),
            training=("x",),
            validation=FOLDS[fold],
            created="2026-01-01T00:00:00+00:00",
        ).write(run.record)
        save_file({"w": torch.zeros(1)}, run.final_weights)
        for case in FOLDS[fold]:
            shown = CONSTRUCTED["probabilities"](name, configuration, case)
            label = SimpleITK.GetImageFromArray(CONSTRUCTED["label_map"](name, shown))
            SimpleITK.WriteImage(label, str(run.validation / f"{case}.nii.gz"))
            np.savez_compressed(run.validation / f"{case}.npz", probabilities=shown)

    def make(name):
        images = {c: (np.zeros((1, *CONSTRUCTED["SHAPE"]), np.float32), CONSTRUCTED["reference"](c)) for c in "abcde"}
        dataset = Dataset.open(write_dataset(images, **CONSTRUCTED["labels_of"](name)))
        space = Workspace(tmp_path / "work", dataset.name)
        space.folder.mkdir(parents=True)
        folds = [{"train": sorted(set("abcde") - set(cases)), "val": list(cases)} for cases in FOLDS.values()]
        space.splits.write_text(json.dumps(folds))
        for configuration in CONFIGURATIONS:
            for fold in FOLDS:
                write_run(space, name, configuration, fold, dict(dataset.description.raw))
        return SelectRequest(dataset=dataset, workspace=space, plans=("nnunet",))

    return make


def run(request, progress=None):
    return select(request, Runtime(Plugins(), LocalExecutor(1), "cpu", progress=progress or Silent()))


@pytest.mark.parametrize("name", list(GOLDEN))
def test_scores_decision_and_postprocessing_are_nnunets(construct, name):
    request, expected = construct(name), GOLDEN[name]
    selection = run(request)
    pairs = [" + ".join(pair) for pair in combinations(CONFIGURATIONS, 2)]
    assert [entry.name for entry in selection.entries] == [*CONFIGURATIONS, *pairs]
    np.testing.assert_allclose([entry.dice for entry in selection.entries], expected["scores"], rtol=1e-9)
    assert selection.best == " + ".join(expected["best"])
    steps = [[v] if isinstance(v, int) else v for v in expected["keep_largest"]]
    assert selection.rule.rule == {"keep_largest": steps}
    assert selection.dice_postprocessed == pytest.approx(expected["postprocessed"], rel=1e-9)
    bundle = read_any(request.workspace.models / "selected")
    assert isinstance(bundle, EnsembleBundle) == (len(expected["best"]) == 2)
    models = open_model(request.workspace.models / "selected")
    assert [model.configuration for model in models.members] == expected["best"]
    assert [len(model.weights) for model in models.members] == [len(FOLDS)] * len(expected["best"])
    assert models.postprocessing == selection.rule.data()
    assert Selection.read(request.workspace.crossval / "selection.json") == selection


def test_the_golden_decisions_are_of_every_sort():
    assert {tuple(answer["best"]) for answer in GOLDEN.values()} >= {("2d",), ("3d_fullres",), ("2d", "3d_fullres")}
    assert any(answer["keep_largest"] for answer in GOLDEN.values())


def test_intervals_hold_the_differences_to_the_best(construct):
    selection = run(construct("pair"))
    for entry in selection.entries:
        low, high = entry.interval
        assert low <= entry.difference <= high
        assert entry.difference <= 0
        assert (entry.name == selection.best) == (entry.interval == (0.0, 0.0))


def test_a_second_call_averages_only_what_has_changed(construct):
    request = construct("pair")
    first = run(request)
    folder = request.workspace.crossval / "2d+3d_fullres"
    before = {case: (folder / f"{case}.nii.gz").stat().st_mtime_ns for case in "abcde"}
    changed = request.workspace.run("nnunet", "2d", 1).validation / "c.nii.gz"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros(CONSTRUCTED["SHAPE"], np.uint8)), str(changed))
    second = run(request)
    after = {case: (folder / f"{case}.nii.gz").stat().st_mtime_ns for case in "abcde"}
    assert [case for case in "abcde" if before[case] != after[case]] == ["c"]
    assert second.entries[0].dice < first.entries[0].dice


def test_existing_label_maps_and_scores_are_kept_where_asked(construct):
    request = construct("pair")
    first = run(request)
    changed = request.workspace.run("nnunet", "2d", 1).validation / "c.nii.gz"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros(CONSTRUCTED["SHAPE"], np.uint8)), str(changed))
    before = {path: path.stat().st_mtime_ns for path in request.workspace.crossval.glob("*/*.nii.gz")}
    second = run(replace(request, keep_existing=True))
    assert second.entries == first.entries
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_without_ensembles_and_with_chosen_configurations(construct):
    request = construct("pair")
    selection = run(replace(request, ensembles=False, configurations=("3d_fullres", "3d_lowres")))
    assert [entry.name for entry in selection.entries] == ["3d_fullres", "3d_lowres"]


def test_missing_folds_are_left_out_or_told(construct):
    request, progress = construct("pair"), Listener()
    run_folder = request.workspace.run("nnunet", "3d_lowres", 2)
    run_folder.final_weights.unlink()
    assert [entry.name for entry in run(request, progress).entries] == ["2d", "3d_fullres", "2d + 3d_fullres"]
    (line,) = progress.warnings
    assert line.startswith(
        f"left out: {run_folder.path}: is not trained to the end; train fold 2 of configuration 3d_lowres"
    )
    with pytest.raises(Problems, match="is not trained to the end"):
        run(replace(request, configurations=("3d_lowres",)))
    with pytest.raises(NnplugError, match="holds no runs of plans other; train a configuration first"):
        run(replace(request, plans=("other",)))


def test_a_fold_without_predictions_is_told_with_the_remedy(construct):
    request = construct("pair")
    (request.workspace.run("nnunet", "2d", 0).validation / "a.nii.gz").unlink()
    with pytest.raises(Problems, match=r"has no prediction of a; validate fold 0 of configuration 2d again"):
        run(request)


def test_a_folder_of_something_else_is_refused_at_once(construct, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years")
    request = replace(construct("pair"), target=tmp_path / "precious")
    with pytest.raises(NnplugError, match="precious: is there and is no bundle"):
        run(request)
    assert not request.workspace.crossval.exists()


def test_other_cases_cannot_be_compared(construct):
    request = construct("pair")
    path = request.workspace.run("nnunet", "2d", 2).record
    msgspec.structs.replace(RunRecord.read(path), validation=("a",)).write(path)
    with pytest.raises(Problems) as problems:
        run(request)
    twice, *others = problems.value.lines
    assert twice == "2d: a was validated by two folds; name each case once in splits.json"
    assert all("was validated on other cases than 2d (e among 1)" in line for line in others)


def test_a_class_that_nobody_has_is_left_out_with_a_warning(construct):
    request, progress = construct("first"), Listener()
    for file in (request.dataset.folder / "labelsTr").iterdir():
        image = SimpleITK.ReadImage(str(file))
        SimpleITK.WriteImage(image * (image < 2), str(file))
    for configuration in CONFIGURATIONS:
        for fold, cases in FOLDS.items():
            for case in cases:
                folder = request.workspace.run("nnunet", configuration, fold).validation
                image = SimpleITK.ReadImage(str(folder / f"{case}.nii.gz"))
                SimpleITK.WriteImage(image * (image < 2), str(folder / f"{case}.nii.gz"))
                (folder / f"{case}.npz").unlink()
    selection = run(replace(request, ensembles=False), progress)
    assert selection.best == "2d"
    assert selection.entries[0].dice == selection.entries[0].dice_per_class["1"]
    assert selection.dice_postprocessed >= selection.entries[0].dice
    assert progress.warnings == ["'b' occurs in no reference of the cross-validation; it is left out of the means"]


@pytest.mark.parametrize(
    ("planned", "asked", "best"),
    [
        (("2d", "3d_fullres", "3d_lowres"), (), "2d"),
        (("3d_lowres", "2d", "3d_fullres"), (), "3d_lowres"),
        (("3d_lowres", "2d", "3d_fullres"), ("3d_fullres", "2d", "3d_lowres"), "3d_fullres"),
    ],
)
def test_of_equal_ones_the_first_asked_for_or_planned_is_taken_and_that_is_said(construct, planned, asked, best):
    request, progress = construct("pair"), Listener()
    write_json(request.workspace.plans("nnunet"), {"configurations": {name: {} for name in planned}})
    for configuration in CONFIGURATIONS:
        for fold, cases in FOLDS.items():
            for case in cases:  # as of networks that have learned nothing
                file = request.workspace.run("nnunet", configuration, fold).validation / f"{case}.nii.gz"
                SimpleITK.WriteImage(SimpleITK.ReadImage(str(file)) * 0, str(file))
    selection = run(replace(request, ensembles=False, configurations=asked), progress)
    assert selection.best == best
    (line,) = progress.warnings
    equal = ", ".join(asked or planned)
    assert line.startswith(f"{equal} have the same mean Dice, 0.0000; {best} is taken, the first in the order that you")


def test_nothing_is_selected_by_scores_on_training_cases(construct):
    request = construct("pair")
    record = request.workspace.run("nnunet", CONFIGURATIONS[0], 0).record
    own = RunRecord.read(record)
    msgspec.structs.replace(own, training=own.validation).write(record)
    with pytest.raises(NnplugError, match=r"fold_0: is validated on its training cases \(.\), so there is nothing"):
        run(request)


def test_another_metric_decides(construct):
    request, registry = construct(next(iter(GOLDEN))), Plugins().registry
    by_dice = run(request)
    assert "metric" not in by_dice.data()
    same = run(replace(request, ranking=Ranking.of("overlap", registry)))
    assert (same.metric, same.best) == ("overlap.Dice", by_dice.best)
    assert [entry.score for entry in same.entries] == [entry.dice for entry in by_dice.entries]
    assert [entry.interval for entry in same.entries] == [entry.interval for entry in by_dice.entries]
    near = run(replace(request, ranking=Ranking.of("surface.NSD", registry)))
    assert near.metric == near.rule.figure == "surface.NSD"
    own = {"name": "surface", "target": "nnplug_nnunet.metrics:Surface", "distribution": "nnplug-nnunet"}
    assert near.metric_record == near.rule.metric == own | {"version": version("nnplug-nnunet")}
    assert near.best == max(near.entries, key=lambda entry: entry.score).name
    assert [entry.dice for entry in near.entries] == [entry.dice for entry in by_dice.entries]
    assert next(entry for entry in near.entries if entry.name == near.best).difference == 0


class Volume:
    """The error of the volume: lower is better."""

    figures, ranked = ("error",), {"error": "lower"}

    def measure(self, reference, prediction, labels, *, spacing):
        return {
            key: {"error": float(abs(int((reference == value).sum()) - int((prediction == value).sum())))}
            for key, (value,) in zip(labels.keys, labels.foreground, strict=True)
        }


def test_a_metric_whose_lower_values_are_better_is_ranked_so(construct):
    name = next(name for name in GOLDEN if "region" not in name)
    selection = run(replace(construct(name), ranking=Ranking(Volume(), "volume.error", "error", -1)))
    assert selection.best == min(selection.entries, key=lambda entry: entry.score).name
    assert min(entry.score for entry in selection.entries) >= 0
    best = next(entry for entry in selection.entries if entry.name == selection.best)
    assert selection.score_postprocessed <= best.score, "the rule is fitted by the same figure, of which less is better"
    assert (selection.rule.figure, selection.rule.metric) == ("volume.error", selection.metric_record)
    assert selection.metric_record["target"].endswith(":Volume")
    assert all(entry.difference >= 0 for entry in selection.entries)


def test_a_figure_that_a_metric_does_not_rank_is_one_line():
    registry = Plugins().registry
    with pytest.raises(NnplugError, match="metric 'surface' ranks no figure 'NSDD'. Did you mean 'NSD'"):
        Ranking.of("surface.NSDD", registry)
    with pytest.raises(NnplugError, match="no metric is called 'surfac'. Did you mean 'surface'"):
        Ranking.of("surfac", registry)
    assert Ranking.of("surface", registry).sign == -1
