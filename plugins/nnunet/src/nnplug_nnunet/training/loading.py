"""Batches of patches, cut and augmented by threads ahead of the training that uses them.

Every random draw derives from (seed, stream, epoch, iteration, sample): the batches are the same whatever the number
of threads, and after a resume at any iteration.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import islice
from threading import Barrier
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import numpy.typing as npt
import torch

from nnplug.contracts import Augmentation, BatchAugmentation, CascadeAugmentation, DrawnSamples
from nnplug.errors import ComponentFailed, NnplugError
from nnplug.ops.one_hot import one_hot
from nnplug.runtime.seeds import generator
from nnplug.runtime.world import ALONE, World
from nnplug_nnunet.training.sampling import Candidates, PatchBox, draw_patch, is_forced, with_slice_axis

if TYPE_CHECKING:
    from nnplug.data.store import CaseStore, StoredCase

Image = npt.NDArray[np.float32]
Label = npt.NDArray[np.int16]
Place = tuple[int, int]
"""Epoch and iteration."""

OUTSIDE = -1


class Stream(IntEnum):
    """What random numbers are for, so that training and validation draw apart."""

    TRAINING = 1
    VALIDATION = 2


@dataclass(frozen=True)
class Batch:
    """What a network learns from at once.

    Attributes:
        image: (B, C, *patch) float32.
        label: (B, 1, *patch) int16.
    """

    image: torch.Tensor
    label: torch.Tensor

    def pinned(self) -> Self:
        """In page-locked memory, from which a GPU copies while it computes."""
        return replace(self, image=self.image.pin_memory(), label=self.label.pin_memory())

    def on(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Image and label on the device that trains."""
        return self.image.to(device, non_blocking=True), self.label.to(device, non_blocking=True)


@dataclass(frozen=True)
class DrawnBatch:
    """A batch that is augmented where the network learns from it.

    Attributes:
        groups: its samples, those of one size together, still on the host.
        augmentation: what to do with them.
    """

    groups: tuple[DrawnSamples, ...]
    augmentation: BatchAugmentation

    def pinned(self) -> Self:
        """See `Batch`."""
        groups = [replace(g, image=g.image.pin_memory(), label=g.label.pin_memory()) for g in self.groups]
        return replace(self, groups=tuple(groups))

    def on(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Image (B, C, *patch) and label (B, 1, *patch), augmented."""
        groups = [
            replace(g, image=g.image.to(device, non_blocking=True), label=g.label.to(device, non_blocking=True))
            for g in self.groups
        ]
        image, label = self.augmentation(groups)
        return image, label[:, None]


def cut(case: StoredCase, box: PatchBox) -> tuple[Image, Label]:
    """Read one patch of a case, and nothing else of it.

    Returns:
        image (C, z, y, x), 0 outside the case, and label (z, y, x), -1 outside.
    """
    inside, target = _overlap(box, case.label.shape)
    image = np.zeros((case.image.shape[0], *box.size), np.float32)
    label = np.full(box.size, OUTSIDE, np.int16)
    image[:, *target] = case.image[:, *inside]
    label[target] = case.label[inside]
    return image, label


def cut_previous(case: StoredCase, box: PatchBox) -> Label | None:
    """The same patch of what the previous stage of a cascade predicted, (z, y, x), -1 outside; None without one."""
    if case.previous is None:
        return None
    inside, target = _overlap(box, case.label.shape)
    previous = np.full(box.size, OUTSIDE, np.int16)
    previous[target] = case.previous[inside]
    return previous


def _overlap(box: PatchBox, shape: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where a box and a case of that shape overlap: as slices of the case, and of the box."""
    ends = [min(start + size, whole) for start, size, whole in zip(box.start, box.size, shape, strict=True)]
    starts = [min(max(start, 0), end) for start, end in zip(box.start, ends, strict=True)]
    spans = list(zip(starts, ends, box.start, strict=True))
    return tuple(slice(a, b) for a, b, _ in spans), tuple(slice(a - origin, b - origin) for a, b, origin in spans)


@dataclass(frozen=True)
class PatchSource:
    """Makes any sample of a training, from nothing but its place.

    Attributes:
        cases: the preprocessed cases.
        names: the cases to draw from.
        patch_size: of the network's input, (z, y, x) or (y, x).
        batch_size: samples per batch.
        oversampling: share of a batch that is centred on foreground.
        seed: of the run.
        stream: training or validation.
        augmentation: random transforms; None only maps what is outside to background.
        batched: the same on the device that trains, instead of in the threads; None for in the threads.
        previous_labels: values of the previous stage's label map that become channels.
        world: who makes the other samples of a batch.
    """

    cases: CaseStore
    names: tuple[str, ...]
    patch_size: tuple[int, ...]
    batch_size: int
    oversampling: float
    seed: int
    stream: Stream
    augmentation: Augmentation | None = None
    batched: BatchAugmentation | None = None
    previous_labels: tuple[int, ...] = ()
    world: World = ALONE

    def batch(self, place: Place) -> Batch | DrawnBatch:
        """This process's share of a batch; raises as `sample` does."""
        share = self.world.share(self.batch_size)
        if self.batched is not None:
            return DrawnBatch(grouped([self.drawn_sample(place, index) for index in share]), self.batched)
        samples = [self.sample(place, index) for index in share]
        image = torch.from_numpy(np.stack([image for image, _ in samples]))
        return Batch(image, torch.from_numpy(np.stack([label[np.newaxis] for _, label in samples])))

    @property
    def cut_size(self) -> tuple[int, int, int]:
        """The box that is cut from a case: in 2d configurations one slice."""
        return with_slice_axis(self.augmentation.source_patch_size if self.augmentation else self.patch_size)

    def sample(self, place: Place, index: int) -> tuple[Image, Label]:
        """Image (C, *patch) and label (*patch) of one sample of a batch; a cascade adds one-hot channels.

        Raises:
            NnplugError: reading or augmenting failed; the message names the case and the step.
        """
        name, rng = self._begin(place, index)
        with _explained(name, "reading a patch"):
            case = self.cases[name]
            box = self._place(case, index, rng)
            image, label = self._flat(*cut(case, box))
            previous = cut_previous(case, box) if self.previous_labels else None
        with _explained(name, "augmenting a patch"):
            return self._augment(image, label, None if previous is None else self._flat(previous)[0], rng)

    def drawn_sample(self, place: Place, index: int) -> DrawnSample:
        """What `sample` augments, cut only as large as is seen of it, and what is drawn for it; raises as it does."""
        assert self.batched is not None  # whoever calls this has one
        name, rng = self._begin(place, index)
        with _explained(name, "reading a patch"):
            case = self.cases[name]
            box = self._place(case, index, rng)
            drawn = self.batched.draw(rng, case.image.shape[0])
            image, label = self._flat(*cut(case, box.centre(with_slice_axis(self.batched.cut_size(drawn)))))
        return DrawnSample(image, label, drawn)

    def _begin(self, place: Place, index: int) -> tuple[str, np.random.Generator]:
        """The case of a sample, and what the rest of it is drawn from."""
        rng = generator(self.seed, self.stream, *place, index)
        return self.names[rng.integers(len(self.names))], rng

    def _place(self, case: StoredCase, index: int, rng: np.random.Generator) -> PatchBox:
        return draw_patch(
            case.label.shape,
            Candidates(tuple(case.foreground.values()), case.annotated),
            size=self.cut_size,
            network_size=with_slice_axis(self.patch_size),
            forced=is_forced(index, batch_size=self.batch_size, oversampling=self.oversampling),
            rng=rng,
        )

    def _flat(self, *arrays: Any) -> Any:
        """Without the slice's axis, the third last, where the network sees slices."""
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


@dataclass(frozen=True)
class DrawnSample:
    """A patch, (C, *size) and (*size), before what is drawn for it is done."""

    image: Image
    label: Label
    drawn: Any


def grouped(samples: Sequence[DrawnSample]) -> tuple[DrawnSamples, ...]:
    """The samples of a batch by their sizes, each with its place in the batch."""
    sizes = {sample.label.shape for sample in samples}
    return tuple(_group(size, samples) for size in sorted(sizes))


def _group(size: tuple[int, ...], samples: Sequence[DrawnSample]) -> DrawnSamples:
    chosen = {place: sample for place, sample in enumerate(samples) if sample.label.shape == size}
    return DrawnSamples(
        places=tuple(chosen),
        image=torch.from_numpy(np.stack([sample.image for sample in chosen.values()])),
        label=torch.from_numpy(np.stack([sample.label for sample in chosen.values()])),
        draws=tuple(sample.drawn for sample in chosen.values()),
    )


class PatchLoader:
    """Gives the batches of a sequence of places, in order, made ahead by threads.

    Use it in a `with` block: the threads end with it. A thread makes a whole batch, so that what is copied is copied
    beside the training.
    """

    def __init__(self, source: PatchSource, places: Iterable[Place], *, workers: int, pin_memory: bool = False) -> None:
        """Start the threads, no work yet.

        Args:
            source: what makes samples.
            places: epoch and iteration of each batch, such as `itertools.product(range(first, epochs), range(250))`.
            workers: threads, at least one.
            pin_memory: whether batches lie in page-locked memory, for copies to a GPU.
        """
        self._source = source
        self._places = iter(places)
        self._pin_memory = pin_memory
        self._pool = _start_threads(max(workers, 1))
        self._ahead = max(workers, 1) + 1
        self._waiting: deque[Future[Batch | DrawnBatch]] = deque()

    def __enter__(self) -> Self:
        """Enter the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop what waits and end the threads."""
        self._waiting.clear()
        self._pool.shutdown(cancel_futures=True)

    def __iter__(self) -> Iterator[Batch | DrawnBatch]:
        """Give the batches that are left."""
        return self

    def __next__(self) -> Batch | DrawnBatch:
        """Give the next batch.

        Raises:
            NnplugError: a sample failed; the message names its case.
        """
        for place in islice(self._places, self._ahead - len(self._waiting)):
            self._waiting.append(self._pool.submit(self._make, place))
        if not self._waiting:
            raise StopIteration
        return self._waiting.popleft().result()

    def _make(self, place: Place) -> Batch | DrawnBatch:
        batch = self._source.batch(place)
        return batch.pinned() if self._pin_memory else batch


def _start_threads(workers: int) -> ThreadPoolExecutor:
    """Threads whose torch computes on one core each, while that of the caller keeps all of them.

    A thread that has not computed yet takes the last number that any thread has set, so all of them ask for theirs
    before the caller's is set again.
    """
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers, "patches", _compute_alone)
    started = Barrier(workers + 1)
    for _ in range(workers):
        pool.submit(started.wait)
    started.wait()
    torch.set_num_threads(threads)
    return pool


def _compute_alone() -> None:
    torch.get_num_threads()
    torch.set_num_threads(1)


@contextmanager
def _explained(name: str, step: str) -> Iterator[None]:
    """Turn what goes wrong into one line that names the case and the step."""
    try:
        yield
    except ComponentFailed as error:
        raise ComponentFailed(f"case {name!r}: {error}") from error
    except (NnplugError, OSError, MemoryError, ValueError, RuntimeError) as error:
        cause = str(error) if isinstance(error, NnplugError) else f"{type(error).__name__}: {error}"
        raise NnplugError(f"case {name!r}: {step} failed ({cause})") from error
