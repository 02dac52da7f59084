"""The options of a training on patches, as the training loop reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

from nnplug.contracts import TrainingLength, TrainingTask
from nnplug.errors import InvalidOptions
from nnplug_nnunet.training.compiling import Compile
from nnplug_nnunet.training.losses.functions import LossName
from nnplug_nnunet.training.patches.sampling import Oversampled

Precision = Literal["auto", "float32", "bfloat16", "float16"]
AugmentOn = Literal["auto", "device", "threads"]
CudaGraph = Literal["auto", "always", "never"]


@dataclass(frozen=True, kw_only=True)
class PatchOptions:
    """The options that the training loop reads.

    Attributes:
        epochs: epochs of training.
        iterations_per_epoch: training batches per epoch.
        val_iterations_per_epoch: validation batches per epoch.
        loss: the loss if the plans name none: soft Dice, cross-entropy (binary for regions), the highest tenth of the
            cross-entropy, or sums of them.
        deep_supervision: whether the loss includes coarser decoder outputs.
        mirroring: whether patches are mirrored, in training and in prediction.
        unmirrored_axes: axes that are not mirrored, counted from the last one, -1, so that they mean the same in 2D and
            3D.
        oversampling: share of a batch whose patches are centred on foreground, if the plans name no sampler.
        oversampled: the patches of this share, if the plans name no sampler; see `NnunetSampler`.
        gradient_clip: largest norm of the gradient.
        patience: epochs without a better smoothed Dice before training ends early; None for never, as in nnU-Net.
        rescue: whether a training that does not find a class goes on for some epochs with lower momentum and patches
            drawn from all classes equally often; see docs/collapse.md. nnU-Net does not.
        precision: number type of the network's arithmetic; "auto" is the fastest that the device trains well in.
        augment_on: where patches are augmented: in the threads that cut them, or in batches on the training device if
            the augmenter supports it (else in the threads). "auto" is the device if it is a CUDA GPU.
        compile: whether `torch.compile` compiles the network; "auto" does for long trainings on a CUDA GPU.
        cuda_graph: whether a CUDA GPU gets each step as one graph instead of kernel by kernel. Its Python code runs
            once, so "auto" does this for the networks and losses of nnplug alone; "always" for any.
    """

    epochs: int = 1000
    iterations_per_epoch: int = 250
    val_iterations_per_epoch: int = 50
    loss: LossName = "dice-ce"
    deep_supervision: bool = True
    mirroring: bool = True
    unmirrored_axes: tuple[int, ...] = ()
    oversampling: float = 0.33
    oversampled: Oversampled = "last"
    gradient_clip: float = 12.0
    patience: int | None = None
    rescue: bool = False
    precision: Precision = "auto"
    augment_on: AugmentOn = "auto"
    compile: Compile = "auto"
    cuda_graph: CudaGraph = "auto"

    def __post_init__(self) -> None:
        """Raise `InvalidOptions` if a number is out of range."""
        self.check_positive("epochs", "iterations_per_epoch", "val_iterations_per_epoch", "gradient_clip")
        if self.patience is not None and self.patience < 1:
            raise InvalidOptions(f"trainer option patience is {self.patience}; it must be at least 1, or null")
        if not 0 <= self.oversampling <= 1:
            raise InvalidOptions(f"trainer option oversampling is {self.oversampling}; it must be from 0 to 1")
        if any(not -3 <= axis <= -1 for axis in self.unmirrored_axes):
            raise InvalidOptions(
                f"trainer option unmirrored_axes is {list(self.unmirrored_axes)}; axes are -1 (the last), -2 and -3"
            )

    @property
    def iterations(self) -> int:
        """The number of training batches of the whole training."""
        return self.epochs * self.iterations_per_epoch

    def length(self, task: TrainingTask) -> TrainingLength:  # noqa: ARG002 - independent of the number of cases
        """Return the iterations of all epochs; `patience` may end the training earlier."""
        return TrainingLength(self.iterations, self.epochs * self.val_iterations_per_epoch, self.epochs)

    def options_for(self, length: TrainingLength) -> Mapping[str, Any]:
        """Return the options for a training of this length; see `nnplug.contracts.Trainer`."""
        return {
            "epochs": length.log_lines,
            "iterations_per_epoch": ceil(length.iterations / length.log_lines),
            "val_iterations_per_epoch": max(1, ceil(length.validation_iterations / length.log_lines)),
        }

    def check_positive(self, *names: str) -> None:
        """Raise unless these options are above 0; for the `__post_init__` of subclasses.

        Raises:
            InvalidOptions: an option is 0 or less; the message names the first.
        """
        for name in names:
            if getattr(self, name) <= 0:
                raise InvalidOptions(f"trainer option {name} is {getattr(self, name)}; it must be above 0")

    def mirror_axes(self, dimensions: int) -> tuple[int, ...]:
        """Return the spatial axes that are mirrored, counted from 0; none without mirroring."""
        mirrored = range(dimensions) if self.mirroring else ()
        return tuple(axis for axis in mirrored if axis - dimensions not in self.unmirrored_axes)
