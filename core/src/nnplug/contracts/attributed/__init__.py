"""Wrappers of components that attribute errors to them, also in other threads and processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar, cast

from nnplug.contracts import (
    Architecture,
    Augmentation,
    AugmentationContext,
    Augmenter,
    BatchAugmentation,
    BatchAugmenter,
    CascadeAugmentation,
    DrawnSamples,
)
from nnplug.contracts.attributed.patch_check import PatchCheck
from nnplug.registry.attribution import attributed, expect
from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    Image = npt.NDArray[np.float32]
    Label = npt.NDArray[np.int16]

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class AttributingExecutor(Executor):
    """An executor for the jobs of one component, to which it attributes their errors."""

    executor: Executor
    component: object

    @property
    def slots(self) -> int:
        """See `Executor.slots`."""
        return self.executor.slots

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        stage: str,
        name: Callable[[Item], str] = str,
    ) -> Iterator[Result]:
        """See `Executor.map`."""
        return self.executor.map(_AttributedCall(self.component, function), items, stage=stage, name=name)

    def map_on_device(
        self,
        function: Callable[[Item, Progress], Result],
        items: Sequence[Item],
        *,
        stage: str,
        name: Callable[[Item], str] = str,
        progress: Progress,
    ) -> Iterator[Result]:
        """See `Executor.map_on_device`."""
        job = _AttributedCall(self.component, function)
        return self.executor.map_on_device(job, items, stage=stage, name=name, progress=progress)

    def close(self) -> None:
        """Do nothing: the owner of the wrapped executor closes it."""


@dataclass(frozen=True)
class _AttributedCall:
    """A picklable function that attributes errors to a component."""

    component: object
    function: Callable[..., Any]

    def __call__(self, *arguments: Any) -> Any:
        with attributed(self.component):
            return self.function(*arguments)


def build_network(architecture: Architecture, *, channels: int, outputs: int) -> torch.nn.Module:
    """Return the network of an architecture; see `nnplug.contracts.Architecture.build`.

    Its weights are drawn from PyTorch's random state, which is restored afterwards.
    """
    import torch

    with attributed(architecture), torch.random.fork_rng(devices=[]):
        network = architecture.build(channels=channels, outputs=outputs)
    return expect(architecture, network, torch.nn.Module)


@dataclass(frozen=True)
class AttributingAugmenter(BatchAugmenter):
    """An augmenter that checks patches and attributes errors of the wrapped augmenter to it, in any thread.

    Attributes:
        augmenter: the wrapped augmenter.
        batching: the same object if its entry has `augments_batches=True`, else None.
        batches_per_epoch: the values of every batch with this distance are checked, starting with the first one. They
            lie on the device, which a check stops; patches on the host are all checked.
    """

    augmenter: Augmenter
    batching: BatchAugmenter | None = None
    batches_per_epoch: int = 1

    def bind(self, context: AugmentationContext) -> Augmentation:
        """See `nnplug.contracts.Augmenter`."""
        with attributed(self.augmenter):
            return _Augmentation(self.augmenter, self.augmenter.bind(context), PatchCheck(self.augmenter, context))

    def bind_batches(self, context: AugmentationContext) -> BatchAugmentation | None:
        """See `nnplug.contracts.BatchAugmenter`."""
        if self.batching is None:
            return None
        with attributed(self.augmenter):
            batches = self.batching.bind_batches(context)
        check = PatchCheck(self.augmenter, context)
        return None if batches is None else _BatchAugmentation(self.augmenter, batches, check, self.batches_per_epoch)


@dataclass(frozen=True)
class _Augmentation(CascadeAugmentation):
    augmenter: Augmenter
    augmentation: Augmentation
    check: PatchCheck

    @property
    def source_patch_size(self) -> tuple[int, ...]:
        with attributed(self.augmenter):
            return self.augmentation.source_patch_size

    def __call__(
        self, image: Image, label: Label, rng: np.random.Generator, *, previous: Label | None = None
    ) -> tuple[Image, Label]:
        with attributed(self.augmenter):
            if previous is None:
                given = self.augmentation(image, label, rng)
            else:
                refining = cast("CascadeAugmentation", self.augmentation)
                given = refining(image, label, rng, previous=previous)
        return self.check.patch(given, image)


@dataclass(frozen=True)
class _BatchAugmentation(BatchAugmentation):
    augmenter: Augmenter
    augmentation: BatchAugmentation
    check: PatchCheck
    batches_per_epoch: int
    batches: Iterator[int] = field(default_factory=count)

    def draw(self, rng: np.random.Generator, channels: int) -> Any:
        with attributed(self.augmenter):
            return self.augmentation.draw(rng, channels)

    def cut_size(self, drawn: Any) -> tuple[int, ...]:
        with attributed(self.augmenter):
            return self.augmentation.cut_size(drawn)

    def __call__(self, groups: Sequence[DrawnSamples]) -> tuple[torch.Tensor, torch.Tensor]:
        with attributed(self.augmenter):
            given = self.augmentation(groups)
        image, label = self.check.batch(given, groups[0].image.shape[1], groups[0].image.device)
        if next(self.batches) % self.batches_per_epoch == 0:
            self.check.values(image, label)
        return image, label
