"""Batches of patches, cut and augmented by threads ahead of the training that uses them.

Every random draw derives from (seed, stream, epoch, iteration, sample): the batches are the same whatever the number
of threads, and after a resume at any iteration.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice
from threading import Barrier
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

import numpy as np
import numpy.typing as npt
import torch

from nnplug.contracts import Augmentation, CascadeAugmentation
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
    previous_labels: tuple[int, ...] = ()
    world: World = ALONE

    @property
    def cut_size(self) -> tuple[int, int, int]:
        """The box that is cut from a case: in 2d configurations one slice."""
        return with_slice_axis(self.augmentation.source_patch_size if self.augmentation else self.patch_size)

    def sample(self, place: Place, index: int) -> tuple[Image, Label]:
        """Image (C, *patch) and label (*patch) of one sample of a batch; a cascade adds one-hot channels.

        Raises:
            NnplugError: reading or augmenting failed; the message names the case and the step.
        """
        rng = generator(self.seed, self.stream, *place, index)
        name = self.names[rng.integers(len(self.names))]
        with _explained(name, "reading a patch"):
            image, label, previous = self._read(name, index, rng)
        with _explained(name, "augmenting a patch"):
            return self._augment(image, label, previous, rng)

    def _read(self, name: str, index: int, rng: np.random.Generator) -> tuple[Image, Label, Label | None]:
        case = self.cases[name]
        box = draw_patch(
            case.label.shape,
            Candidates(tuple(case.foreground.values()), case.annotated),
            size=self.cut_size,
            network_size=with_slice_axis(self.patch_size),
            forced=is_forced(index, batch_size=self.batch_size, oversampling=self.oversampling),
            rng=rng,
        )
        image, label = cut(case, box)
        previous = cut_previous(case, box) if self.previous_labels else None
        if len(self.patch_size) == 2:
            return image[:, 0], label[0], None if previous is None else previous[0]
        return image, label, previous

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
        self._waiting: deque[Future[Batch]] = deque()

    def __enter__(self) -> Self:
        """Enter the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop what waits and end the threads."""
        self._waiting.clear()
        self._pool.shutdown(cancel_futures=True)

    def __iter__(self) -> Iterator[Batch]:
        """Give the batches that are left."""
        return self

    def __next__(self) -> Batch:
        """Give the next batch.

        Raises:
            NnplugError: a sample failed; the message names its case.
        """
        for place in islice(self._places, self._ahead - len(self._waiting)):
            self._waiting.append(self._pool.submit(self._make, place))
        if not self._waiting:
            raise StopIteration
        return self._waiting.popleft().result()

    def _make(self, place: Place) -> Batch:
        samples = [self._source.sample(place, index) for index in self._source.world.share(self._source.batch_size)]
        image = torch.from_numpy(np.stack([image for image, _ in samples]))
        label = torch.from_numpy(np.stack([label[np.newaxis] for _, label in samples]))
        return Batch(image.pin_memory(), label.pin_memory()) if self._pin_memory else Batch(image, label)


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
