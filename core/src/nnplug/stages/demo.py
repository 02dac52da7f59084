"""The whole pipeline on phantom data: what `nnplug demo` shows and the end-to-end test runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnplug.data.dataset import Dataset, image_cases
from nnplug.data.phantom import write_phantom
from nnplug.data.workspace import Workspace
from nnplug.plugins import Plugins
from nnplug.runtime.executor import Executor
from nnplug.runtime.files import write_json
from nnplug.runtime.progress import Progress
from nnplug.stages.evaluate import evaluate
from nnplug.stages.model import open_models
from nnplug.stages.overlay import OverlayCase, draw_overlays
from nnplug.stages.pipeline import PlanRequest, RunRequest, run
from nnplug.stages.predict_ensemble import Ensemble
from nnplug.stages.predict_folder import predict_folder

if TYPE_CHECKING:
    import torch

CONFIGURATION = "3d_fullres"
DATASET = "Dataset999_Phantom"
# A plan narrowed for two cores and a few minutes; a GPU trains the full one in the same time.
PLAN = {"base_features": 12, "max_features": 96}
FIELDS = {"patch_size": [40, 48, 40], "batch_size": 2}
TRAINING = {"epochs": 10, "iterations_per_epoch": 25, "val_iterations_per_epoch": 4}
SHOWN = 3


@dataclass(frozen=True)
class DemoResult:
    """What the demo made.

    Attributes:
        dataset: the phantom training data.
        model: the bundle.
        predictions: label maps of images that training never saw.
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
    *,
    plugins: Plugins,
    executor: Executor,
    device: torch.device,
    workers: int,
    progress: Progress,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> DemoResult:
    """Make phantom data, train on it, predict unseen images, score and draw them.

    Args:
        folder: where everything goes; a demo that was stopped goes on.
        plugins: where components come from.
        executor: runs cases in parallel.
        device: where networks run.
        workers: threads that load and augment.
        progress: where to report.
        options: what differs from the demo's own plan and budget, as `--set` gives it.
    """
    raw = folder / "raw" / DATASET
    dataset = Dataset.open(raw) if (raw / "dataset.json").exists() else write_phantom(raw)
    request = _request(dataset, folder, options or {})
    outcome = run(request, plugins=plugins, executor=executor, device=device.type, workers=workers, progress=progress)
    model = outcome.bundles[CONFIGURATION]
    predictions = folder / "predictions"
    cases = image_cases(raw / "imagesTs", dataset.description.file_ending)
    ensemble = Ensemble.load(open_models([model]), plugins, device=device, progress=progress)
    predict_folder(ensemble, cases, predictions, resume=True, progress=progress)
    references = raw / "labelsTs"
    summary = evaluate(references, predictions, dataset.description, executor=executor, progress=progress)
    write_json(predictions / "summary.json", summary)
    rows = [
        OverlayCase(case.name, case.images, references / name, predictions / name)
        for case in cases[:SHOWN]
        for name in (f"{case.name}{dataset.description.file_ending}",)
    ]
    picture = folder / "overlay.png"
    draw_overlays(rows, picture, class_names=dataset.description.labels.foreground_names)
    return DemoResult(dataset, model, predictions, picture, summary)


def _request(dataset: Dataset, folder: Path, options: Mapping[str, Mapping[str, Any]]) -> RunRequest:
    own: dict[str, Mapping[str, Any]] = {"planner": PLAN, "plan": FIELDS, "trainer": TRAINING}
    merged = {kind: {**own.get(kind, {}), **options.get(kind, {})} for kind in {*own, *options}}
    return RunRequest(
        dataset=dataset,
        workspace=Workspace(folder / "work", dataset.name),
        plan=PlanRequest(options=merged, configurations=(CONFIGURATION,)),
        folds=(0,),
    )
