"""Predict cases one after the other. While the network predicts a case, the next are read and the last is exported.

The prediction of images and the validation of a fold both use it; they differ in the files that they read and write.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from nnplug.arrays import LabelArray
from nnplug.dataset.case_files import CaseFiles
from nnplug.inference.loaded import LoadedModel
from nnplug.inference.logits import Logits
from nnplug.inference.member import LoadedMember
from nnplug.io.images import Geometry
from nnplug.runtime.executor import available_cores
from nnplug.runtime.free_cores import on_free_cores
from nnplug.runtime.progress import Advance, Progress
from nnplug.runtime.threads import single_core_threads
from nnplug.workspace.case_store import Prepared

_READERS = 3
"""The threads that read for a GPU, which predicts an image faster than one thread reads and resamples it."""
_EXPORT_BEHIND = 1

LogitsOrLabels = list[Logits] | LabelArray
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
        """Return a case for one member. It runs in a thread of its own, for a GPU in several at once."""
        ...

    def needs_logits(self, case: CaseFiles) -> bool:
        """Return whether the export needs the logits; they are then in memory for the whole image."""
        ...

    def export(self, case: CaseFiles, geometry: Geometry, predicted: LogitsOrLabels) -> None:
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
    """Predict cases: one thread reads, or several for a GPU; this thread predicts, and another thread exports.

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
    threads, device = _readers(model), model.members[0].device
    with ThreadPoolExecutor(threads, "read") as reader, _writer(model) as writer, on_free_cores(device):
        reads = _ahead(reader, work.read, [(case, member) for case in cases for member in model.members], threads)
        stream = _Stream(model, work, reads, scratch, progress)
        exports = _Exports(work, advance, writer, logits_behind)
        try:
            for case in cases:
                with work.attempt(case):
                    # no variable for the prediction: it would keep the logits in memory during the next prediction
                    exports.add(case, *stream.predict(case), is_last=case is cases[-1])
                exports.finish(_EXPORT_BEHIND)
            exports.finish(0)
        except BaseException:  # Ctrl-C: waiting work is not started
            reader.shutdown(wait=False, cancel_futures=True)
            writer.shutdown(wait=False, cancel_futures=True)
            raise


@dataclass(frozen=True)
class _Stream:
    """The cases that are read, in their order, and the model that predicts them."""

    model: LoadedModel
    work: CaseWork
    reads: Iterator[Future[ReadCase]]
    scratch: Path
    progress: Progress

    def predict(self, case: CaseFiles) -> tuple[Geometry, LogitsOrLabels]:
        """Return the geometry and the prediction of the next case."""
        own = islice(self.reads, len(self.model.members))
        whole = len(self.model.members) > 1 or self.work.needs_logits(case)
        logits: list[Logits] = []
        try:
            for member, read in zip(self.model.members, own, strict=True):
                geometry, prepared = read.result()
                if prepared is None:
                    continue
                with self.progress.task(f"predict {case.name}", member.passes(prepared.image.shape[1:])) as advance:
                    if not whole:
                        return geometry, member.label_map(prepared, report=lambda: advance(""), case=case.name)
                    found = member.logits(prepared, report=lambda: advance(""), case=case.name)
                    logits.append(self._kept(found))
                    del found  # it would keep the logits in memory during the next prediction
        finally:
            deque(own, maxlen=0)  # remaining reads of a failed case
        if not logits:
            self.progress.notice(f"{case.name}: the image is zero everywhere; its label map is all background")
        return geometry, logits

    def _kept(self, logits: Logits) -> Logits:
        """Return logits; with several members they are memory-mapped until all are computed."""
        return logits if len(self.model.members) == 1 else logits.memmapped(self.scratch)


@dataclass(frozen=True)
class _Exports:
    """The exports of predicted cases, in their order. Some run in a thread while the network predicts."""

    work: CaseWork
    advance: Advance
    writer: ThreadPoolExecutor
    logits_behind: bool
    waiting: deque[tuple[CaseFiles, Callable[[], None]]] = field(default_factory=deque)

    def add(self, case: CaseFiles, geometry: Geometry, predicted: LogitsOrLabels, *, is_last: bool) -> None:
        """Start to export a case; logits that must not wait are exported before the return."""
        export = partial(self.work.export, case, geometry, predicted)
        if is_last:  # this thread is free to export
            self.waiting.append((case, export))
        elif self.logits_behind or isinstance(predicted, np.ndarray):
            self.waiting.append((case, self.writer.submit(export).result))
        else:
            export()
            self.waiting.append((case, _nothing))

    def finish(self, left: int) -> None:
        """Wait for the exports, the oldest first, until this number of them is left."""
        while len(self.waiting) > left:
            case, export = self.waiting.popleft()
            with self.work.attempt(case):
                export()
                self.advance(case.name)


def _nothing() -> None:
    """Do nothing: the export is finished."""


def _readers(model: LoadedModel) -> int:
    """Return the number of threads that read, which is also the number of cases that are read ahead.

    It is one for a CPU, whose cores the network needs, and for a cascade, where reading predicts with the previous
    stage.
    """
    on_cpu = model.members[0].device.type == "cpu"
    refines = any(member.member.previous is not None for member in model.members)
    return 1 if on_cpu or refines else min(_READERS, available_cores())


def _writer(model: LoadedModel) -> ThreadPoolExecutor:
    """Return a thread that exports. In parallel with a network on the CPU it computes on one core."""
    on_cpu = model.members[0].device.type == "cpu"
    return single_core_threads(1, "export") if on_cpu else ThreadPoolExecutor(1)


def _ahead(
    pool: ThreadPoolExecutor,
    function: Callable[[CaseFiles, LoadedMember], ReadCase],
    items: Sequence[tuple[CaseFiles, LoadedMember]],
    ahead: int,
) -> Iterator[Future[ReadCase]]:
    waiting: deque[Future[ReadCase]] = deque()
    for item in items:
        waiting.append(pool.submit(function, *item))
        if len(waiting) > ahead:
            yield waiting.popleft()
    while waiting:
        yield waiting.popleft()
