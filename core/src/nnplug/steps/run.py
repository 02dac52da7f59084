"""Run every step from a dataset to a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Unpack

from nnplug.errors import InvalidOptions, NnplugError
from nnplug.pipeline.request import RunRequest, Step
from nnplug.pipeline.run import run as run_steps
from nnplug.plans.plans import Plans
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.selection.request import SELECTED, Selection
from nnplug.steps.choices import FoldSelection, PlanChoices, RuntimeOptions, TrainingChoices
from nnplug.steps.dataset_in_workspace import DatasetInWorkspace
from nnplug.steps.given import Folds, Names, plan_choices, runtime_options, selection, training_choices
from nnplug.steps.keywords import RunKeywords, keywords
from nnplug.steps.requests import plan_request, tracker_choices
from nnplug.steps.session import ProgressArgument, open_place, session

Until = Literal["verify", "fingerprint", "plan", "preprocess", "train", "validate", "bundle"]
"""The last step of a run."""


@dataclass(frozen=True)
class RunOutcome:
    """The result of a run, and where its files are.

    Attributes:
        folder: the folder of all results for the dataset.
        plans: the plans; None if the run ends before planning.
        scores: (configuration, fold) -> the summary of its validation, in the layout of `summary.json`.
        models: configuration -> its bundle; only "selected" -> bundle if every fold is trained.
        selection: the comparison of the configurations; None if folds are missing.
        reports: the files that the installed reporters wrote.
    """

    folder: Path
    plans: Plans | None = None
    scores: Mapping[tuple[str, int | str], Mapping[str, Any]] = field(default_factory=dict)
    models: Mapping[str, Path] = field(default_factory=dict)
    selection: Selection | None = None
    reports: tuple[Path, ...] = ()

    @property
    def model(self) -> Path:
        """The model to predict with: the selected one, or that of the only configuration.

        Raises:
            NnplugError: the run made no model, or several of which none is selected.
        """
        if SELECTED in self.models or len(self.models) == 1:
            return self.models.get(SELECTED) or next(iter(self.models.values()))
        there = f"models of {', '.join(self.models)}, and none is selected" if self.models else "no model"
        raise NnplugError(f"{self.folder}: the run made {there}")


@keywords(RunKeywords)
def run(
    dataset: str | Path,
    *,
    workspace: str | Path | None = None,
    configurations: Names = (),
    folds: Folds = (),
    until: Until = "bundle",
    progress: ProgressArgument = None,
    plugins: Plugins | None = None,
    **options: Unpack[RunKeywords],
) -> RunOutcome:
    """Verify, fingerprint, plan, preprocess, train and validate a dataset, and make one model for prediction.

    This is `nnplug run`. Finished steps are skipped: after a kill, call it again with the same arguments. If every fold
    is trained, the best configuration or ensemble of two is selected; otherwise each configuration becomes a model.

    Args:
        dataset: a folder in nnU-Net's raw layout, or an id or name in nnUNet_raw.
        workspace: the folder of all results; None for NNPLUG_WORKSPACE, else ./nnplug-work.
        configurations: one name or several; empty for all of the plans.
        folds: one number or several, or "all"; empty for every fold.
        until: the last step.
        progress: None, a function of (title, finished items, all items, latest item), or a
            `nnplug.runtime.progress.Progress`. Without a `Progress`, warnings go to the logger "nnplug".
        plugins: the plugins that offer the components; None for the installed ones.
        **options: see `nnplug.steps.keywords.RunKeywords`.

    Raises:
        Problems: the dataset has faults, or folds failed; one line each.
        InvalidOptions: an option is unknown or its value is invalid.
        NnplugError: values differ from those of an earlier start; the message has the values and the remedy.
    """
    machine = runtime_options(options)
    trained = selection(configurations, folds)
    choices = RunChoices(trained, plan_choices(options), machine, training_choices(options), step_of(until))
    with session(machine, progress, plugins, trains=True) as runtime:
        place = open_place(dataset, workspace, runtime)
        planned: list[Plans] = []
        request = run_request(place, choices, runtime)
        done = run_steps(request, runtime, planned=lambda plans, _: planned.append(plans))
    plans = planned[0] if planned else None
    return RunOutcome(place.workspace.folder, plans, done.scores, done.bundles, done.selection, done.reports)


@dataclass(frozen=True)
class RunChoices:
    """The choices of a user for a run.

    Attributes:
        folds: the configurations and folds to train.
        plan: the choices for planning.
        machine: the choices for the machine, with the options of components.
        training: the choices for training.
        until: the last step.
    """

    folds: FoldSelection
    plan: PlanChoices
    machine: RuntimeOptions
    training: TrainingChoices
    until: Step = Step.BUNDLE


def step_of(word: str) -> Step:
    """Return the step with this name.

    Raises:
        InvalidOptions: there is none.
    """
    if word not in list(Step):
        raise InvalidOptions(f"until is {word!r}; expected one of {', '.join(Step)}")
    return Step(word)


def run_request(place: DatasetInWorkspace, choices: RunChoices, runtime: Runtime) -> RunRequest:
    """Return the request for a run, after the checks that need no work.

    Raises:
        NnplugError: there are too few devices.
        UnknownComponent, AmbiguousComponent, InvalidOptions: a tracker or an option of it does not exist.
    """
    training, machine = choices.training, choices.machine
    if Step.TRAIN.reached(choices.until):
        from nnplug.training.several_devices import start_devices

        start_devices({}, machine.device, training.devices, here=machine.executor == "local")
    return RunRequest(
        dataset=place.dataset,
        workspace=place.workspace,
        plan=plan_request(choices.plan, machine.settings, choices.folds.configurations),
        folds=choices.folds.folds,
        until=choices.until,
        seed=training.seed,
        mirroring=training.mirroring,
        fresh=training.fresh,
        command=training.command,
        devices=training.devices,
        trackers=tracker_choices(training.trackers, machine.overrides, runtime.registry),
    )
