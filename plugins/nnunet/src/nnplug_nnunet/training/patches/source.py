"""Patches of preprocessed cases: their positions, their content, and their batches.

Every random draw derives from (seed, stream, epoch, iteration, sample), so that any batch can be made again alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from nnplug.contracts import Augmentation, BatchAugmentation, CascadeAugmentation, DrawnSamples, PatchPlace, Sampling
from nnplug.errors import ComponentFailed, NnplugError, OutOfResources, within
from nnplug.ops.one_hot import one_hot
from nnplug.runtime.distributed import SINGLE_PROCESS, World
from nnplug.runtime.seeds import generator
from nnplug_nnunet.outside import OUTSIDE
from nnplug_nnunet.training.patches.batches import Batch, DrawnBatch, Image, Label, empty, stacked
from nnplug_nnunet.training.patches.samplers import BatchSampling
from nnplug_nnunet.training.patches.sampling import PatchBox, draw_box, with_slice_axis

if TYPE_CHECKING:
    from nnplug.workspace.case_store import CaseStore, StoredCase

SampleIndex = tuple[int, int]
"""Epoch and iteration."""


class Stream(IntEnum):
    """The purpose of random numbers, so that training and validation draw independently."""

    TRAINING = 1
    VALIDATION = 2


def cut(case: StoredCase, box: PatchBox) -> tuple[Image, Label]:
    """Read one patch of a case; the rest of the case is not read.

    Returns:
        image (C, z, y, x) float32, 0 outside the case, and label (z, y, x) int16, -1 outside.
    """
    image, label = np.empty((case.image.shape[0], *box.size), np.float32), np.empty(box.size, np.int16)
    cut_into(image, label, case, box)
    return image, label


def cut_into(image: Image, label: Label, case: StoredCase, box: PatchBox) -> None:
    """Write the patch that `cut` returns into arrays of its shapes."""
    inside, target = _overlap(box, case.label.shape)
    if any(part != slice(0, size) for part, size in zip(target, box.size, strict=True)):
        image.fill(0)
        label.fill(OUTSIDE)
    image[:, *target] = case.image[:, *inside]
    label[target] = case.label[inside]


def cut_previous(case: StoredCase, box: PatchBox) -> Label | None:
    """Return the same patch of the previous stage's prediction, (z, y, x) int16, -1 outside; None without one."""
    if case.previous is None:
        return None
    inside, target = _overlap(box, case.label.shape)
    previous = np.full(box.size, OUTSIDE, np.int16)
    previous[target] = case.previous[inside]
    return previous


def _overlap(box: PatchBox, shape: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the overlap of a box and a case of this shape: as slices of the case, and of the box."""
    ends = [min(start + size, whole) for start, size, whole in zip(box.start, box.size, shape, strict=True)]
    starts = [min(max(start, 0), end) for start, end in zip(box.start, ends, strict=True)]
    spans = list(zip(starts, ends, box.start, strict=True))
    return tuple(slice(a, b) for a, b, _ in spans), tuple(slice(a - origin, b - origin) for a, b, origin in spans)


@dataclass(frozen=True)
class _Drawn:
    name: str
    case: StoredCase
    box: PatchBox
    drawn: Any


@dataclass(frozen=True)
class PatchSource:
    """A source of training samples; a sample depends only on its index.

    Attributes:
        cases: the preprocessed cases.
        sampling: the rule that chooses case and centre of each patch.
        patch_size: the network's input, (z, y, x) or (y, x), voxels.
        batch_size: samples per batch.
        seed: the seed of the run.
        stream: training or validation.
        augmentation: random transforms; None only sets labels outside the mask to background.
        batched: the same transforms on the training device instead of in the threads; None for the threads.
        previous_labels: values of the previous stage's label map that become channels.
        world: the processes that share a batch.
    """

    cases: CaseStore
    sampling: Sampling
    patch_size: tuple[int, ...]
    batch_size: int
    seed: int
    stream: Stream
    augmentation: Augmentation | None = None
    batched: BatchAugmentation | None = None
    previous_labels: tuple[int, ...] = ()
    world: World = SINGLE_PROCESS

    def batch(self, place: SampleIndex, *, pinned: bool = False) -> Batch | DrawnBatch:
        """Return this process's share of a batch, for a GPU in page-locked memory; raises as `sample` does."""
        share = self.world.part(self.batch_size)
        if self.batched is not None:
            samples = [self._drawn(place, index, self.batched) for index in share]
            sizes = sorted({sample.box.size for sample in samples})
            return DrawnBatch(tuple(self._cut(samples, size, pinned=pinned) for size in sizes), self.batched)
        images, labels = zip(*(self.sample(place, index) for index in share), strict=True)
        image = stacked(images, torch.float32, pinned=pinned)
        return Batch(image, stacked([label[np.newaxis] for label in labels], torch.int16, pinned=pinned))

    @property
    def cut_size(self) -> tuple[int, int, int]:
        """The size of the box that is cut from a case, (z, y, x); one slice in 2d configurations."""
        return with_slice_axis(self.augmentation.source_patch_size if self.augmentation else self.patch_size)

    def sample(self, place: SampleIndex, index: int) -> tuple[Image, Label]:
        """Return image (C, *patch) and label (*patch) of one sample of a batch; a cascade adds one-hot channels.

        Raises:
            NnplugError: reading or augmenting failed; the message names the case and the step.
        """
        chosen, rng = self._begin(place, index)
        with _explained(chosen.case, "reading a patch"):
            case = self.cases[chosen.case]
            box = self._box(case, chosen, rng)
            image, label = self._flat(*cut(case, box))
            previous = cut_previous(case, box) if self.previous_labels else None
        with _explained(chosen.case, "augmenting a patch"):
            return self._augment(image, label, None if previous is None else self._flat(previous)[0], rng)

    def _drawn(self, place: SampleIndex, index: int, batched: BatchAugmentation) -> _Drawn:
        """Return a sample that is drawn and not cut; the box is only as large as needed."""
        chosen, rng = self._begin(place, index)
        with _explained(chosen.case, "reading a patch"):
            case = self.cases[chosen.case]
            box = self._box(case, chosen, rng)
            drawn = batched.draw(rng, case.image.shape[0])
            return _Drawn(chosen.case, case, box.centre(with_slice_axis(batched.cut_size(drawn))), drawn)

    def _cut(self, samples: Sequence[_Drawn], size: tuple[int, ...], *, pinned: bool) -> DrawnSamples:
        """Return the samples of a batch that have one size, cut where the batch needs them: nothing is copied twice."""
        chosen = {place: sample for place, sample in enumerate(samples) if sample.box.size == size}
        channels = next(iter(chosen.values())).case.image.shape[0]
        image = empty((len(chosen), channels, *size), torch.float32, pinned=pinned)
        label = empty((len(chosen), *size), torch.int16, pinned=pinned)
        previous = empty(tuple(label.shape), torch.int16, pinned=pinned) if self.previous_labels else None
        for row, sample in enumerate(chosen.values()):
            with _explained(sample.name, "reading a patch"):
                cut_into(image[row].numpy(), label[row].numpy(), sample.case, sample.box)
                if previous is not None:
                    previous[row].numpy()[...] = cut_previous(sample.case, sample.box)
        image, label = self._flat(image, label)
        before = None if previous is None else self._flat(previous)[0]
        return DrawnSamples(tuple(chosen), image, label, tuple(sample.drawn for sample in chosen.values()), before)

    def _begin(self, place: SampleIndex, index: int) -> tuple[PatchPlace, np.random.Generator]:
        """Return the place of a sample, and the generator for the rest of the sample."""
        rng = generator(self.seed, self.stream, *place, index)
        if not isinstance(self.sampling, BatchSampling):
            return self.sampling.draw(index, rng), rng
        batch_rng = generator(self.seed, self.stream, *place, self.batch_size)  # after the samples of the batch
        return self.sampling.draw_in_batch(index, rng, batch_rng), rng

    def _box(self, case: StoredCase, chosen: PatchPlace, rng: np.random.Generator) -> PatchBox:
        size, network_size = self.cut_size, with_slice_axis(self.patch_size)
        return draw_box(case.label.shape, chosen.centre, size=size, network_size=network_size, rng=rng)

    def _flat(self, *arrays: Any) -> Any:
        """Return the arrays without the slice axis, the third last, in 2d configurations; else unchanged."""
        return tuple(array.squeeze(-3) for array in arrays) if len(self.patch_size) == 2 else arrays

    def _augment(
        self, image: Image, label: Label, previous: Label | None, rng: np.random.Generator
    ) -> tuple[Image, Label]:
        if self.augmentation is not None and previous is None:
            return self.augmentation(image, label, rng)
        if self.augmentation is not None:
            return cast("CascadeAugmentation", self.augmentation)(image, label, rng, previous=previous)
        np.maximum(label, 0, out=label)
        if previous is not None:
            channels = one_hot(torch.from_numpy(previous), self.previous_labels).numpy()
            image = np.concatenate((image, channels))
        return image, label


@contextmanager
def _explained(name: str, step: str) -> Iterator[None]:
    """Turn an error into one line that names the case and the step."""
    try:
        yield
    except (ComponentFailed, OutOfResources) as error:
        raise type(error)(within(f"case {name!r}: ", error.lines[0])) from error
    except (NnplugError, OSError, MemoryError, ValueError, RuntimeError) as error:
        cause = error.lines[0] if isinstance(error, NnplugError) else f"{type(error).__name__}: {error}"
        raise NnplugError(within(f"case {name!r}: {step} failed (", cause, ")")) from error
