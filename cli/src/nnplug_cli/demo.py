"""The whole pipeline on phantom data, for `nnplug demo`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnplug.contracts import Trainer, TrainingLength
from nnplug.dataset.dataset import Dataset, image_cases
from nnplug.dataset.phantom import write_phantom
from nnplug.evaluation.evaluate import evaluate
from nnplug.evaluation.overlay import OverlayCase, draw_overlays
from nnplug.inference.jobs import predict_cases
from nnplug.inference.options import PredictOptions
from nnplug.pipeline.request import RunRequest
from nnplug.pipeline.run import run
from nnplug.preparation.make_plans import choose
from nnplug.preparation.plan_request import PlanRequest
from nnplug.registry.attribution import attributed
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.runtime.files import write_json
from nnplug.runtime.outputs import Outputs
from nnplug.workspace.layout import Workspace

CONFIGURATION = "3d_fullres"
DATASET = "Dataset999_Phantom"
# A smaller network for two cores and a few minutes; a GPU trains the full one in the same time.
PLAN = {"base_features": 12, "max_features": 96}
FIELDS = {"patch_size": [40, 48, 40], "batch_size": 2}
TRAINING = TrainingLength(iterations=250, validation_iterations=40, log_lines=10)
SHOWN = 3


@dataclass(frozen=True)
class DemoResult:
    """The results of the demo.

    Attributes:
        dataset: the phantom training data.
        model: the bundle.
        predictions: folder of label maps of images that training does not use.
        picture: these predictions beside their references.
        summary: their scores in nnU-Net's layout.
    """

    dataset: Dataset
    model: Path
    predictions: Path
    picture: Path
    summary: Mapping[str, Any]


def demo(
    folder: Path,
    runtime: Runtime,
    *,
    options: Mapping[str, Mapping[str, Any]] | None = None,
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
    request = _request(dataset, folder, runtime.plugins, options or {})
    outcome = run(request, runtime)
    model = outcome.bundles[CONFIGURATION]
    cases = image_cases(raw / "imagesTs", dataset.description.file_ending)
    predict_cases(cases, predictions, PredictOptions(models=(model,), resume=True, replace=replace), runtime)
    references = raw / "labelsTs"
    summary = evaluate(
        references, predictions, dataset.description, executor=runtime.executor, progress=runtime.progress
    )
    write_json(predictions / "summary.json", summary)
    rows = [
        OverlayCase(case.name, case.images, references / name, predictions / name)
        for case in cases[:SHOWN]
        for name in (f"{case.name}{dataset.description.file_ending}",)
    ]
    draw_overlays(rows, picture, class_names=dataset.description.labels.foreground_names)
    return DemoResult(dataset, model, predictions, picture, summary)


def _request(dataset: Dataset, folder: Path, plugins: Plugins, options: Mapping[str, Mapping[str, Any]]) -> RunRequest:
    own: dict[str, Mapping[str, Any]] = {"planner": PLAN, "plan": FIELDS, "trainer": _short_training(plugins)}
    merged = {kind: {**own.get(kind, {}), **options.get(kind, {})} for kind in {*own, *options}}
    return RunRequest(
        dataset=dataset,
        workspace=Workspace(folder / "work", dataset.name),
        plan=PlanRequest(options=merged, configurations=(CONFIGURATION,)),
        folds=(0,),
    )


def _short_training(plugins: Plugins) -> Mapping[str, Any]:
    """Return the options with which the default recipe's trainer has the demo's length."""
    choices, _ = choose(plugins.registry, None, {}, {})
    choice = choices[Kind.TRAINER]
    trainer: Trainer = plugins.registry.create(Kind.TRAINER, choice.name, choice.options)
    with attributed(trainer):
        return trainer.options_for(TRAINING)
