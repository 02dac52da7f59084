"""What trains a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from nnplug.plans.plans import Configuration
from nnplug.runtime.distributed import SINGLE_PROCESS, World
from nnplug.runtime.progress import Progress

if TYPE_CHECKING:
    import torch

    from nnplug.contracts.augmenter import Augmenter
    from nnplug.dataset.labels import Labels
    from nnplug.workspace.case_store import CaseStore
    from nnplug.workspace.layout import RunFolder


@dataclass(frozen=True)
class TrainingTask:
    """All that a trainer uses; it looks up nothing.

    Attributes:
        network: in training mode gives logits from fine to coarse; on the CPU, initialised from the run's seed.
        configuration: patch, batch size, batch Dice.
        labels: classes or regions, and the ignore label.
        cases: the preprocessed cases; in a cascade with what the previous stage predicted.
        training: names of the cases to learn from.
        validation: names of the cases to watch; for fold "all" the same.
        augmenter: random transforms.
        masked_channels: channels that are 0 outside the nonzero mask.
        device: where to train.
        run: the folder to write into; a `state.pt` there is gone on from.
        seed: of every random draw.
        workers: threads that load and augment; the losses do not depend on it.
        progress: where to report.
        world: the processes that train this network together. Each has a device, its share of every batch and the
            same `run`, into which the first alone writes.
    """

    network: torch.nn.Module
    configuration: Configuration
    labels: Labels
    cases: CaseStore
    training: tuple[str, ...]
    validation: tuple[str, ...]
    augmenter: Augmenter
    masked_channels: tuple[int, ...]
    device: torch.device
    run: RunFolder
    seed: int
    workers: int
    progress: Progress
    world: World = SINGLE_PROCESS

    @property
    def previous_labels(self) -> tuple[int, ...]:
        """Values of each case's `previous` label map that are input channels, after the image's; none as a rule."""
        return self.configuration.previous_labels(self.labels)


class Trainer(Protocol):
    """A training procedure.

    A class attribute `takes_previous_stage = True` says that it gives the network `TrainingTask.previous_labels`; one
    that does not say so is refused where a configuration refines the prediction of another. Likewise
    `takes_several_devices = True` says that it heeds `TrainingTask.world`.
    """

    def mirror_axes(self, dimensions: int) -> tuple[int, ...]:
        """The spatial axes mirrored in training, and so in prediction; recorded with the model."""
        ...

    def train(self, task: TrainingTask) -> None:
        """Train to the end, going on from `task.run.state` where it exists.

        Leaves `log.jsonl`, `weights_best.safetensors` and `weights_final.safetensors` in the run's folder, and last of
        all removes the state.
        Killed at any instant, it leaves what the next call goes on from, with equal results.
        """
        ...


class ExtensibleTrainer(Trainer, Protocol):
    """A training procedure that can go on with a finished run. Nobody need offer this: the core looks for the method.

    At its end `train` leaves `task.run.final_state`, which with the final weights is enough to go on. To extend the
    run, the core renames it to `task.run.state` and calls `train` with the new options.
    """

    def extends(self, earlier: Trainer) -> bool:
        """Whether a run that was finished with the options of `earlier` can go on with these."""
        ...
