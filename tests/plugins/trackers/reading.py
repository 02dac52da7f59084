"""What the programs of the makers read of a training: TensorBoard's own reader, MLflow's client, W&B's files."""

from __future__ import annotations

from pathlib import Path

from mlflow import MlflowClient
from tensorboard.backend.event_processing.event_accumulator import IMAGES, SCALARS, TENSORS, EventAccumulator
from wandb.proto.wandb_internal_pb2 import Record

from nnplug_trackers.wandb_files import _records


def by_tensorboard(folder: Path) -> EventAccumulator:
    """Return TensorBoard's reader of a folder, after it has read everything."""
    return EventAccumulator(str(folder), size_guidance={SCALARS: 0, TENSORS: 0, IMAGES: 0}).Reload()


def by_mlflow(uri: str, name: str):
    """Return the client, and the only run of all experiments with this name."""
    client = MlflowClient(tracking_uri=uri)
    experiments = [one.experiment_id for one in client.search_experiments()]
    (run,) = client.search_runs(experiments, f"attributes.run_name = '{name}'")
    return client, run


def mlflow_steps(uri: str, name: str, metric: str) -> list[int]:
    """Return the steps of a metric, in their order."""
    client, run = by_mlflow(uri, name)
    return sorted(one.step for one in client.get_metric_history(run.info.run_id, metric))


def by_wandb(folder: Path) -> list[Record]:
    """Return all records of the files of W&B below a folder, in the order of the starts."""
    files = sorted(folder.glob("wandb/offline-run-*/*.wandb"))
    return [Record.FromString(content) for file in files for content in _records(file.read_bytes())]


def wandb_rows(folder: Path) -> list[dict[str, str]]:
    """Return the rows of the history: name -> JSON."""
    return [
        {item.key or ".".join(item.nested_key): item.value_json for item in record.history.item}
        for record in by_wandb(folder)
        if record.WhichOneof("record_type") == "history"
    ]
