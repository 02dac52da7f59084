"""The entries of this package."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import TrackerComponent, hookimpl


@hookimpl
def nnplug_trackers() -> Iterable[TrackerComponent]:
    """Return the trackers."""
    yield TrackerComponent(
        "tensorboard", "nnplug_trackers.tensorboard_tracker:TensorBoardTracker", "event files for TensorBoard"
    )
    yield TrackerComponent("mlflow", "nnplug_trackers.mlflow_tracker:MlflowTracker", "a run on an MLflow server")
    yield TrackerComponent("wandb", "nnplug_trackers.wandb_tracker:WandbTracker", "a run of Weights & Biases")
