"""The call of a trainer: record its length, precision and threads, and explain a GPU's lack of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import msgspec

from nnplug.contracts import TrainingLength, TrainingTask, Workload
from nnplug.errors import OutOfResources
from nnplug.remedies import Action
from nnplug.runtime.device_memory import lacks_memory
from nnplug.runtime.progress import Progress
from nnplug.training.job import TrainingJob
from nnplug.words import by_axis
from nnplug.workspace.layout import RunFolder
from nnplug.workspace.run_record import Precision, RunRecord

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class RecordingAccelerate:
    """`TrainingTask.accelerate` that writes precision and CPU threads into `run.json` before it accelerates.

    A run that goes on with other ones gets the latest. Sums depend on the number of threads in their last bits, so
    another number gives a notice.

    Attributes:
        job: the fold of a run that is recorded.
        accelerate: accelerates the network.
        progress: receives the notice.
    """

    job: TrainingJob
    accelerate: Callable[[torch.nn.Module, Workload], torch.nn.Module]
    progress: Progress

    def __call__(self, network: torch.nn.Module, workload: Workload) -> torch.nn.Module:
        """Return the accelerated network; see `TrainingTask.accelerate`."""
        record = RunRecord.read(self.job.run.record)
        precision, threads = _precision(workload.autocast), _threads(workload.device)
        if record.threads and threads and threads != record.threads and self.job.run.log.exists():
            self.progress.notice(
                f"{self.job.title}: it goes on with {threads} CPU threads instead of {record.threads}, so its weights "
                "differ in their last bits from those of a training that was not stopped"
            )
        if (record.precision, record.threads) != (precision, threads):
            msgspec.structs.replace(record, precision=precision, threads=threads).write(self.job.run.record)
        return self.accelerate(network, workload)


def record_length(run: RunFolder, length: TrainingLength) -> None:
    """Write the number of epochs into `run.json`, for `nnplug status`, which shows the share done."""
    record = RunRecord.read(run.record)
    if record.epochs != length.log_lines:
        msgspec.structs.replace(record, epochs=length.log_lines).write(run.record)


def _precision(dtype: torch.dtype | None) -> Precision:
    return "float32" if dtype is None else cast("Precision", str(dtype).removeprefix("torch."))


def _threads(device: torch.device) -> int | None:
    """Return the number of threads of an operation on a device, or None where the host computes nothing."""
    import torch

    return torch.get_num_threads() if device.type == "cpu" else None


@contextmanager
def explained_shortage(job: TrainingJob, task: TrainingTask) -> Iterator[None]:
    """Turn a lack of device memory in the block into an error that names the batch and the remedy.

    Args:
        job: the fold, for the message.
        task: its batch and its device.

    Raises:
        OutOfResources: the block raised an error of a lack of memory, which is the cause.
    """
    from nnplug.runtime.device import memory_in_words

    try:
        yield
    except RuntimeError as error:
        if not lacks_memory(error):
            raise
        batch, patch = task.configuration.batch_size, by_axis(task.configuration.patch_size)
        channels = task.configuration.input_channels(job.description)
        raise OutOfResources(
            f"{job.run.path}: the device {str(task.device)!r} has too little memory for batches of {batch} patches of "
            f"{patch} voxels with {channels} channels and {task.labels.outputs} outputs{memory_in_words(task.device)}",
            Action.TRAIN_IN_MORE_MEMORY(batch_size=max(1, batch // 2)),
        ) from error
