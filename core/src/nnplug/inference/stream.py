"""Predict cases one after the other. While the network predicts a case, the next is read and the last is exported.

The prediction of images and the validation of a fold both use it; they differ in the files that they read and write.
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
from typing import NamedTuple, Protocol

import numpy as np

from nnplug.arrays import LabelArray
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

Predicted = list[Logits] | LabelArray
"""The logits of each member, none if the image is zero everywhere; or directly the label map of the only member."""


class ReadCase(NamedTuple):
    """A case ready for the network.

    Attributes:
        geometry: the geometry of the image.
        prepared: the image preprocessed for one member; None if it is zero everywhere.
    """

    geometry: Geometry
    prepared: Prepared | None


class CaseWork(Protocol):
    """The work around the network: it reads cases and exports predictions."""

    def read(self, case: CaseFiles, member: LoadedMember) -> ReadCase:
        """Return a case for one member. It runs in a thread of its own."""
        ...

    def needs_logits(self, case: CaseFiles) -> bool:
        """Return whether the export needs the logits; they are then in memory for the whole image."""
        ...

    def export(self, case: CaseFiles, geometry: Geometry, predicted: Predicted) -> None:
        """Write a prediction. It may run in a thread of its own."""
        ...

    def attempt(self, case: CaseFiles) -> AbstractContextManager[None]:
        """Return the context in which a case is predicted and exported; it may store errors for later."""
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
    """Predict cases: one thread reads, this thread predicts, and another thread exports.

    Args:
        model: a loaded model with one member or several.
        cases: the cases in the order of prediction.
        work: reads and exports cases.
        scratch: a folder on the disk for memory-mapped logits of several members, see `nnplug.runtime.memmap`.
        logits_behind: whether logits of a case are exported while the network predicts the next case; then the logits
            of two cases are in memory. Label maps are always exported in this way.
        progress: gets a task per case.
        advance: called with the name of each case that is exported.

    Raises:
        Exception: any error in reading, prediction or export that `work.attempt` does not store.
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
                    beside = None if case is cases[-1] else writer  # after the last case this thread is free to export
                    exports.append((case, stream.predict(case, reads, beside)))
                finish(_EXPORT_BEHIND)
            finish(0)
        except BaseException:  # Ctrl-C: waiting work is not started
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
        """Predict a case; return a function that waits for its export, or that exports if there is no writer."""
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
            deque(own, maxlen=0)  # remaining reads of a failed case
        if not logits:
            self.progress.notice(f"{case.name}: the image is zero everywhere; its label map is all background")
        return geometry, logits

    def _kept(self, logits: Logits) -> Logits:
        """Return logits; with several members they are memory-mapped until all are computed."""
        return logits if len(self.model.members) == 1 else logits.memmapped(self.scratch)


def _nothing() -> None:
    """Do nothing: the export is finished."""


def _writer(model: LoadedModel) -> ThreadPoolExecutor:
    """Return a thread that exports. In parallel with a network on the CPU it computes on one core."""
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
