"""The whole pipeline on phantom data, for `nnplug demo`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nnplug.contracts import Trainer, TrainingLength
from nnplug.dataset.case_files import CaseFiles, image_cases
from nnplug.dataset.dataset import Dataset
from nnplug.dataset.phantom import write_phantom
from nnplug.evaluation.evaluate import evaluate
from nnplug.evaluation.summary import Summary, write_summary
from nnplug.inference.jobs import predict_cases
from nnplug.inference.options import PredictOptions
from nnplug.pictures.overlay import OverlayCase, draw_overlays
from nnplug.pipeline.request import RunRequest
from nnplug.pipeline.run import ensure_fingerprint, ensure_verified, run
from nnplug.plans.plans import Plans
from nnplug.preparation.make_plans import choose, make_plans
from nnplug.preparation.plan_request import PlanRequest
from nnplug.registry.attribution import attributed
from nnplug.registry.components import PLAN_WORD, Kind, Registry
from nnplug.registry.runtime import Runtime
from nnplug.runtime.outputs import Outputs
from nnplug.workspace.layout import Workspace

DATASET = "Dataset999_Phantom"
# A smaller network for two cores and a few minutes; a GPU trains the full one in the same time. Planners without
# these options decide themselves.
PLAN = {"base_features": 12, "max_features": 96}
PATCH, BATCH_SIZE = (40, 48, 40), 2
TRAINING = TrainingLength(iterations=250, validation_iterations=40, log_lines=10)
SHOWN = 3

Options = Mapping[str, Mapping[str, Any]]
"""A kind or "plan" -> option -> value."""


@dataclass(frozen=True)
class DemoResult:
    """The results of the demo.

    Attributes:
        dataset: the phantom training data.
        configuration: the configuration that was trained.
        model: the bundle.
        predictions: folder of label maps of images that training does not use.
        picture: these predictions beside their references.
        summary: their scores in nnU-Net's layout.
    """

    dataset: Dataset
    configuration: str
    model: Path
    predictions: Path
    picture: Path
    summary: Mapping[str, Any]


def demo(
    folder: Path,
    runtime: Runtime,
    *,
    options: Options | None = None,
    replace: bool = False,
) -> DemoResult:
    """Make phantom data, train on it, predict unseen images, score and draw them.

    Args:
        folder: the output folder; a stopped demo continues there.
        runtime: plugins, executor, device, threads and progress.
        options: changes of the demo's plan and budget, as `--set` gives them.
        replace: whether to replace files that nnplug did not write, or that have changed since.

    Raises:
        Problems: files would be lost; see `nnplug.runtime.outputs.Outputs.check`.
    """
    raw, predictions, picture = folder / "raw" / DATASET, folder / "predictions", folder / "overlay.png"
    begun = (raw / "dataset.json").exists()
    Outputs((picture, predictions / "summary.json"), made=lambda _: begun).claim(replace=replace)
    dataset = Dataset.open(raw) if begun else write_phantom(raw)
    request = _request(dataset, folder, runtime, options or {})
    (configuration,) = request.plan.configurations
    model = run(request, runtime).bundles[configuration]
    cases = image_cases(raw / "imagesTs", dataset.description.file_ending)
    predict_cases(cases, predictions, PredictOptions(models=(model,), resume=True, replace=replace), runtime)
    summary = _score(dataset, predictions, runtime)
    _draw(dataset, cases[:SHOWN], predictions, picture)
    return DemoResult(dataset, configuration, model, predictions, picture, summary)


def _score(dataset: Dataset, predictions: Path, runtime: Runtime) -> Summary:
    """Write and return the scores of the predictions."""
    references, description = dataset.folder / "labelsTs", dataset.description
    summary = evaluate(references, predictions, description, executor=runtime.executor, progress=runtime.progress)
    write_summary(predictions / "summary.json", summary)
    return summary


def _draw(dataset: Dataset, cases: Sequence[CaseFiles], predictions: Path, picture: Path) -> None:
    """Draw the predictions of some cases beside their references."""
    references, ending = dataset.folder / "labelsTs", dataset.description.file_ending
    rows = [
        OverlayCase(case.name, case.images, references / name, predictions / name)
        for case in cases
        for name in (f"{case.name}{ending}",)
    ]
    draw_overlays(rows, picture, class_names=dataset.description.labels.foreground_names)


def _request(dataset: Dataset, folder: Path, runtime: Runtime, options: Options) -> RunRequest:
    """Return the request for one fold of one configuration; the user's options override the demo's."""
    space = Workspace(folder / "work", dataset.name)
    own = _small_components(runtime.registry)
    components = {kind: values for kind, values in _merged(own, options).items() if kind != PLAN_WORD}
    planning = RunRequest(dataset=dataset, workspace=space, plan=PlanRequest(options=components))
    ensure_verified(planning, runtime)
    fingerprint = ensure_fingerprint(planning, runtime)
    plans = make_plans(fingerprint, dataset.description, planning.plan, dataset=dataset.name, plugins=runtime.plugins)
    name = _main_configuration(plans)
    small: dict[str, Any] = {"batch_size": BATCH_SIZE}
    if plans.configurations[name].dimensions == len(PATCH):
        small["patch_size"] = list(PATCH)
    merged = _merged({**own, PLAN_WORD: small}, options)
    return replace(planning, plan=PlanRequest(options=merged, configurations=(name,)), folds=(0,))


def _main_configuration(plans: Plans) -> str:
    """Return the first configuration of the most axes that refines no other."""
    single = {name: plans.configuration(name) for name in plans.configurations}
    names = [name for name, configuration in single.items() if configuration.previous_stage is None]
    return max(names, key=lambda name: single[name].dimensions)


def _merged(own: Options, options: Options) -> dict[str, Mapping[str, Any]]:
    return {kind: {**own.get(kind, {}), **options.get(kind, {})} for kind in {*own, *options}}


def _small_components(registry: Registry) -> dict[str, Mapping[str, Any]]:
    """Return options for a small, short training: of the planner those that it has, and of the trainer."""
    choices, _ = choose(registry, None, {}, {})
    planner = registry.get(Kind.PLANNER, choices[Kind.PLANNER].name)
    known = {name for name, _, _ in planner.options()}
    choice = choices[Kind.TRAINER]
    trainer: Trainer = registry.create(Kind.TRAINER, choice.name, choice.options)
    with attributed(trainer):
        short = trainer.options_for(TRAINING)
    return {"planner": {name: value for name, value in PLAN.items() if name in known}, "trainer": short}
