"""The call of a trainer: record its length and precision, and explain a GPU's lack of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import msgspec

from nnplug.contracts import TrainingLength, TrainingTask, Workload
from nnplug.errors import OutOfResources
from nnplug.remedies import Action
from nnplug.training.job import TrainingJob
from nnplug.workspace.layout import RunFolder
from nnplug.workspace.run_record import Precision, RunRecord

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class RecordingAccelerate:
    """`TrainingTask.accelerate` that writes the precision of the workload into `run.json` before it accelerates.

    A run that goes on in another precision gets the latest one.

    Attributes:
        run: the folder of a run that is recorded.
        accelerate: accelerates the network.
    """

    run: RunFolder
    accelerate: Callable[[torch.nn.Module, Workload], torch.nn.Module]

    def __call__(self, network: torch.nn.Module, workload: Workload) -> torch.nn.Module:
        """Return the accelerated network; see `TrainingTask.accelerate`."""
        record, precision = RunRecord.read(self.run.record), _precision(workload.autocast)
        if record.precision != precision:
            msgspec.structs.replace(record, precision=precision).write(self.run.record)
        return self.accelerate(network, workload)


def record_length(run: RunFolder, length: TrainingLength) -> None:
    """Write the number of epochs into `run.json`, for `nnplug status`, which shows the share done."""
    record = RunRecord.read(run.record)
    if record.epochs != length.log_lines:
        msgspec.structs.replace(record, epochs=length.log_lines).write(run.record)


def _precision(dtype: torch.dtype | None) -> Precision:
    return "float32" if dtype is None else cast("Precision", str(dtype).removeprefix("torch."))


@contextmanager
def explained_shortage(job: TrainingJob, task: TrainingTask) -> Iterator[None]:
    """Run a block that trains.

    Args:
        job: the fold, for the message.
        task: its batch and its device.

    Raises:
        OutOfResources: the block raised `torch.OutOfMemoryError`, which is the cause.
    """
    import torch

    from nnplug.runtime.device import told_memory

    try:
        yield
    except torch.OutOfMemoryError as error:
        batch, patch = task.configuration.batch_size, " x ".join(map(str, task.configuration.patch_size))
        channels = task.configuration.input_channels(job.description)
        raise OutOfResources(
            f"{job.run.path}: the device {str(task.device)!r} has too little memory for batches of {batch} patches of "
            f"{patch} voxels with {channels} channels and {task.labels.outputs} outputs{told_memory(task.device)}",
            Action.TRAIN_IN_MORE_MEMORY(batch_size=max(1, batch // 2)),
        ) from error
