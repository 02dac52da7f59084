"""What the stages of a cascade hand on, and what is said where it is missing."""

from __future__ import annotations

import json
from dataclasses import replace

import msgspec
import pytest
import torch

from nnplug import Plugins
from nnplug.dataset.dataset import Dataset
from nnplug.dataset.splits import Fold
from nnplug.errors import Problems
from nnplug.plans.plans import Choice
from nnplug.registry.entries import AugmenterComponent, TrainerComponent
from nnplug.testing.samples import DESCRIPTION, SHAPE, write_cases
from nnplug.training.job import TrainingJob
from nnplug.training.previous_stage import (
    PreviousStageWriter,
    check_predictions_complete,
    check_takes_previous_stage,
    predicting_folds,
)
from nnplug.training.schedule import in_stages, is_refined
from nnplug.workspace.layout import Workspace

REGISTRY = Plugins().registry
CASCADE = "3d_cascade_fullres"
SPLITS = (Fold(train=("b", "c"), val=("a",)), Fold(train=("a",), val=("b", "c")))


def test_every_case_is_predicted_by_the_first_fold_that_is_validated_on_it():
    twice = (*SPLITS, Fold(train=("b",), val=("a", "c")))
    assert predicting_folds(twice) == {"a": 0, "b": 1, "c": 1}


@pytest.fixture
def job(plans, tmp_path):
    """Fold 0 of the second stage, on the kit's cases; the first stage has half the resolution."""
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "dataset.json").write_text(json.dumps(dict(DESCRIPTION.raw)))
    full = msgspec.structs.replace(plans.configurations["3d_fullres"], spacing=(1.0, 1.0, 1.0))
    low = msgspec.structs.replace(full, spacing=(1.0, 2.0, 2.0), next_stage=CASCADE)
    configurations = {"3d_lowres": low, CASCADE: msgspec.structs.replace(full, previous_stage="3d_lowres")}
    choices = {"augmenter": Choice(name="crop"), "trainer": Choice(name="acme")}
    own = msgspec.structs.replace(plans, configurations=configurations, choices=choices)
    made = TrainingJob(Workspace(tmp_path / "w", "D"), Dataset(raw, DESCRIPTION), own, CASCADE, 0)
    for name in configurations:
        write_cases(replace(made, configuration=name).prepared_folder)
    return made


def finish(job, fold, weights=b"weights"):
    """A trained fold of the first stage."""
    stage = replace(job, configuration="3d_lowres", fold=fold)
    stage.run.path.mkdir(parents=True, exist_ok=True)
    stage.run.final_weights.write_bytes(weights)
    return stage


def hand_on(stage, cases):
    logits = torch.zeros(3, *SHAPE)
    logits[2, :6] = 1
    for case in cases:
        PreviousStageWriter(stage, SPLITS, REGISTRY).write(case, logits)


def lines(job):
    with pytest.raises(Problems) as problems:
        check_predictions_complete(job, SPLITS[0], SPLITS)
    return problems.value.lines


def test_missing_folds_of_the_first_stage_are_named_with_their_remedies(job):
    first, second = lines(job)
    place = f"of configuration 3d_lowres of plans nnunet for {job.dataset.folder} in workspace {job.workspace.root}."
    assert first == f"3d_lowres fold 0 is not trained, and {CASCADE} fold 0 refines it. Train fold 0 {place}"
    assert second.endswith(f"Train fold 1 {place}")
    hand_on(finish(job, 0), "a")
    finish(job, 1)
    (line,) = lines(job)
    assert line.startswith("3d_lowres fold 1 has not predicted all its validation cases, and")


def test_fold_all_of_the_first_stage_is_no_help_and_that_is_said(job):
    finish(job, "all")
    *_, reason = lines(job)
    assert reason == (
        "3d_lowres fold all cannot stand in for them: it has seen every case, and predicts it better than new ones"
    )


def test_what_is_handed_on_comes_with_the_cases_of_the_next_stage(job):
    hand_on(finish(job, 0), "a")
    hand_on(finish(job, 1), "bc")
    check_predictions_complete(job, SPLITS[0], SPLITS)
    for name in "abc":
        previous = job.cases[name].previous[...]
        assert previous.shape == SHAPE
        assert (previous[:6] == 2).all()
        assert not previous[6:].any()


def test_a_fold_owes_its_own_validation_cases_until_they_are_there(job):
    stage = finish(job, 1)
    assert [PreviousStageWriter(stage, SPLITS, REGISTRY).is_due(case) for case in "abc"] == [False, True, True]
    hand_on(stage, "b")
    assert [PreviousStageWriter(stage, SPLITS, REGISTRY).is_due(case) for case in "abc"] == [False, False, True]
    assert not PreviousStageWriter(replace(stage, fold="all"), SPLITS, REGISTRY).is_due("a")
    assert not PreviousStageWriter(job, SPLITS, REGISTRY).is_due("a")


def test_a_first_stage_that_is_trained_anew_owes_everything_again(job):
    hand_on(finish(job, 1), "bc")
    assert PreviousStageWriter(finish(job, 1, b"other weights"), SPLITS, REGISTRY).is_due("b")


def test_a_case_that_no_fold_predicts_is_named(job):
    with pytest.raises(Problems) as problems:
        check_predictions_complete(job, Fold(train=("a", "x"), val=("b",)), SPLITS)
    assert problems.value.lines[0].startswith("case 'x': no fold of ")
    assert problems.value.lines[0].endswith("name it in a fold's 'val'")


def test_components_that_know_nothing_of_cascades_are_named(job):
    able = (
        AugmenterComponent("crop", "a:B", "", takes_previous_stage=True),
        TrainerComponent("acme", "a:B", "", takes_previous_stage=True),
    )
    check_takes_previous_stage(job, *able)
    with pytest.raises(Problems) as problems:
        check_takes_previous_stage(job, *(replace(one, takes_previous_stage=False) for one in able))
    augmenter, trainer = problems.value.lines
    assert augmenter == (
        f"{CASCADE} refines the predictions of '3d_lowres', and the entry of augmenter 'crop' does not say "
        "takes_previous_stage=True. Choose another augmenter, or train a configuration that refines none."
    )
    assert "trainer 'acme' does not say takes_previous_stage=True. Choose another trainer" in trainer


def test_stages_come_one_after_the_other(job):
    low = replace(job, configuration="3d_lowres")
    assert in_stages([job, low]) == [[low], [job]]
    assert is_refined(low, [job, low])
    assert not is_refined(low, [low])
    assert not is_refined(job, [job, low])
