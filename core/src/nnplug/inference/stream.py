"""Predict cases one after the other: the next is read while the network works on one and the last is exported.

Prediction of images and validation of a fold both run here; they differ in what they read and write.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from nnplug.dataset.dataset import CaseFiles
from nnplug.inference.loaded import LoadedModel
from nnplug.inference.logits import Logits
from nnplug.inference.member import LoadedMember
from nnplug.io.images import Geometry
from nnplug.runtime.progress import Advance, Progress
from nnplug.runtime.threads import single_core_threads
from nnplug.workspace.case_store import Prepared

_READ_AHEAD = 1
_EXPORT_BEHIND = 1

Predicted = list[Logits] | npt.NDArray[np.integer[Any]]
"""The logits of each member, none where the image is zero everywhere; or at once the label map of the only member."""


class ReadCase(NamedTuple):
    """A case ready for the network.

    Attributes:
        geometry: of the image.
        prepared: for one member; None where the image is zero everywhere.
    """

    geometry: Geometry
    prepared: Prepared | None


class CaseWork(Protocol):
    """The task around the network: where cases come from and where predictions go."""

    def read(self, case: CaseFiles, member: LoadedMember) -> ReadCase:
        """Return a case for one member; runs in a thread of its own."""
        ...

    def needs_logits(self, case: CaseFiles) -> bool:
        """Return whether more is made of the logits than the label map: they are then held for the whole image."""
        ...

    def export(self, case: CaseFiles, geometry: Geometry, predicted: Predicted) -> None:
        """Write a prediction; may run in a thread of its own."""
        ...

    def attempt(self, case: CaseFiles) -> AbstractContextManager[None]:
        """Return the context in which a case is predicted and exported; it may keep errors for later."""
        ...


def predict_stream(
    model: LoadedModel,
    cases: Sequence[CaseFiles],
    work: CaseWork,
    *,
    scratch: Path,
    logits_behind: bool,
    progress: Progress,
    advance: Advance,
) -> None:
    """Predict cases, with a thread that reads, this one that predicts, and a thread that exports.

    Args:
        model: one member or several.
        cases: in the order of prediction.
        work: reads and exports.
        scratch: on whose disk the logits of several members wait, see `nnplug.runtime.memmap`.
        logits_behind: whether the logits of one case are exported while the network works on the next, so that those
            of two cases are in memory; label maps always are.
        progress: gets a task per case.
        advance: called with the name of each case that is exported.

    Raises:
        Exception: what reading, predicting or exporting raises, as far as `work.attempt` lets it through.
    """
    stream = _Stream(model, work, scratch, progress, logits_behind)
    exports: deque[tuple[CaseFiles, Callable[[], None]]] = deque()

    def finish(left: int) -> None:
        while len(exports) > left:
            case, export = exports.popleft()
            with work.attempt(case):
                export()
                advance(case.name)

    with ThreadPoolExecutor(1) as reader, _writer(model) as writer:
        reads = _ahead(reader, work.read, [(case, member) for case in cases for member in model.members])
        try:
            for case in cases:
                with work.attempt(case):
                    beside = None if case is cases[-1] else writer  # this thread has nothing else to do in the end
                    exports.append((case, stream.predict(case, reads, beside)))
                finish(_EXPORT_BEHIND)
            finish(0)
        except BaseException:  # Ctrl-C: what waits is not begun
            reader.shutdown(wait=False, cancel_futures=True)
            writer.shutdown(wait=False, cancel_futures=True)
            raise


@dataclass(frozen=True)
class _Stream:
    model: LoadedModel
    work: CaseWork
    scratch: Path
    progress: Progress
    logits_behind: bool

    def predict(
        self, case: CaseFiles, reads: Iterator[Future[ReadCase]], writer: ThreadPoolExecutor | None
    ) -> Callable[[], None]:
        """Predict a case; return the function that waits for its export, or that exports where no writer does."""
        geometry, predicted = self._predict(case, reads)
        export = partial(self.work.export, case, geometry, predicted)
        if writer is None:
            return export
        if self.logits_behind or isinstance(predicted, np.ndarray):
            return writer.submit(export).result
        export()
        return _nothing

    def _predict(self, case: CaseFiles, reads: Iterator[Future[ReadCase]]) -> tuple[Geometry, Predicted]:
        own = islice(reads, len(self.model.members))
        whole = len(self.model.members) > 1 or self.work.needs_logits(case)
        logits: list[Logits] = []
        try:
            for member, read in zip(self.model.members, own, strict=True):
                geometry, prepared = read.result()
                if prepared is None:
                    continue
                with self.progress.task(f"predict {case.name}", member.passes(prepared.image.shape[1:])) as advance:
                    if not whole:
                        return geometry, member.label_map(prepared.image, prepared.info, report=lambda: advance(""))
                    values = member.logits(prepared.image, report=lambda: advance(""))
                logits.append(self._kept(member.output(values, prepared.info)))
        finally:
            deque(own, maxlen=0)  # what is left of a case that failed
        if not logits:
            self.progress.notice(f"{case.name}: the image is zero everywhere; its label map is all background")
        return geometry, logits

    def _kept(self, logits: Logits) -> Logits:
        """Logits that wait for those of other members wait on the disk."""
        return logits if len(self.model.members) == 1 else logits.memmapped(self.scratch)


def _nothing() -> None:
    """An export that is done."""


def _writer(model: LoadedModel) -> ThreadPoolExecutor:
    """A thread that exports; beside a network on the CPU, it computes on one core."""
    on_cpu = model.members[0].device.type == "cpu"
    return single_core_threads(1, "export") if on_cpu else ThreadPoolExecutor(1)


def _ahead(
    pool: ThreadPoolExecutor,
    function: Callable[[CaseFiles, LoadedMember], ReadCase],
    items: Sequence[tuple[CaseFiles, LoadedMember]],
) -> Iterator[Future[ReadCase]]:
    waiting: deque[Future[ReadCase]] = deque()
    for item in items:
        waiting.append(pool.submit(function, *item))
        if len(waiting) > _READ_AHEAD:
            yield waiting.popleft()
    while waiting:
        yield waiting.popleft()
