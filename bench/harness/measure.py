"""Pairs of measurements in turns, their medians, and whether the machine was quiet meanwhile."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from harness.row import Case, Inside, Row, Sample, Setting, Side, Unmeasurable, Which
from harness.session import OWN_PYTHON, Died, Served
from nnplug.runtime.records import Record

DISTURBED = 0.05
"""From this share of the cores on, what others compute makes a figure worthless."""


class Result(Record, frozen=True, kw_only=True):
    """The result of a case.

    Attributes:
        date: when it began, ISO 8601.
        unmeasured: why there are no figures, None where there are.
        nnplug: samples, one per round.
        peer: the peer's of the same rounds; empty where nnplug is measured alone.
        peer_absent: why the peer did not run, None where it did or is not asked.
        others: share of the cores that other processes used meanwhile; None where the system does not say.
        pending: the sides that are not measured yet, of a row that measures them apart.
    """

    date: str
    unmeasured: str | None = None
    nnplug: tuple[dict[str, Any], ...] = ()
    peer: tuple[dict[str, Any], ...] = ()
    peer_absent: str | None = None
    others: float | None = None
    pending: tuple[Which, ...] = ()

    @property
    def disturbance(self) -> float:
        """The share of the cores that others used, of sides that were measured apart the larger one."""
        apart = (sample.get("others") or 0.0 for sample in (*self.nnplug, *self.peer))
        return max(self.others or 0.0, *apart, 0.0)

    @property
    def is_disturbed(self) -> bool:
        """Return whether other processes computed too much for the figures to count."""
        return self.disturbance > DISTURBED

    @property
    def counts(self) -> bool:
        """Return whether there are figures that count."""
        return self.unmeasured is None and not self.pending and not self.is_disturbed

    @property
    def is_whole(self) -> bool:
        """Return whether every requested side ran."""
        return self.unmeasured is None and self.peer_absent is None and not self.pending

    def figure(self, quantity: str) -> float | None:
        """nnplug's median."""
        return _median(self.nnplug, quantity)

    def peer_figure(self, quantity: str) -> float | None:
        """The peer's median."""
        return _median(self.peer, quantity)

    def ratio(self, quantity: str) -> float | None:
        """The median over the pairs of nnplug's over the peer's."""
        if not self.peer:
            return None
        pairs = [(a, b) for a, b in zip(self.nnplug, self.peer, strict=False) if quantity in a and b.get(quantity)]
        return median(a[quantity] / b[quantity] for a, b in pairs) if pairs else None


@dataclass
class Load:
    """The use of the cores by other processes while a block runs."""

    others: float | None = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Compare what the machine's cores did with what this process and its children did."""
        busy, own, started = _busy_seconds(), _own_seconds(), time.perf_counter()
        yield
        now, wall = _busy_seconds(), time.perf_counter() - started
        if busy is not None and now is not None and wall > 0:
            foreign = (now - busy) - (_own_seconds() - own)
            self.others = max(0.0, foreign / (wall * (os.cpu_count() or 1)))


def measure(file: Path, row: Row, case: Case, setting: Setting, rounds: int | None = None) -> Result:
    """Measure a case of the row in `file`; a side that cannot run here is said, not raised."""
    date, load = datetime.now(UTC).astimezone().isoformat(timespec="seconds"), Load()
    theirs = _Theirs(file, row, case, setting)
    try:
        check_device(case, setting)
        with load.watched():
            pairs = _pairs(file, row, case, setting, theirs, rounds or (1 if setting.quick else row.rounds))
    except (Unmeasurable, Died) as reason:
        return Result(date=date, unmeasured=str(reason))
    return Result(
        date=date,
        nnplug=tuple(dict(ours) for ours, _ in pairs),
        peer=tuple(dict(sample) for _, sample in pairs if sample is not None) if theirs.absent is None else (),
        peer_absent=theirs.absent,
        others=None if row.recorded else load.others,
    )


def check_device(case: Case, setting: Setting) -> None:
    """Raise `Unmeasurable` where the case needs a GPU and there is none."""
    if case.gpu and not setting.rehearse:
        import torch

        if not torch.cuda.is_available():
            raise Unmeasurable("needs a CUDA GPU, and this machine has none")


def _pairs(
    file: Path, row: Row, case: Case, setting: Setting, theirs: _Theirs, rounds: int
) -> list[tuple[Sample, Sample | None]]:
    """nnplug's and the peer's samples; who goes first alternates too."""
    warm_up = 0 if setting.quick else row.warm_up
    pairs: list[tuple[Sample, Sample | None]] = []
    with ExitStack() as stack:
        ours = opened(stack, "ours", row.ours, file, case, setting)
        theirs.open(stack)
        for turn in range(warm_up + rounds):
            early = theirs.sample() if turn % 2 else None
            mine = ours()
            yours = early if turn % 2 else theirs.sample()
            both = row.compare(setting, mine, yours) if row.compare and yours is not None else {}
            pairs.append(({**mine, **both}, yours))
    return pairs[warm_up:]


class _Theirs:
    """The peer's side: where it cannot run, nnplug is measured alone and the reason kept."""

    def __init__(self, file: Path, row: Row, case: Case, setting: Setting) -> None:
        self._file, self._case, self._setting = file, case, setting
        self._side = row.theirs if case.only is None else None
        self._sample: Callable[[], Sample] | None = None
        self.absent: str | None = None

    def open(self, stack: ExitStack) -> None:
        if self._side is not None:
            try:
                self._sample = opened(stack, "theirs", self._side, self._file, self._case, self._setting)
            except (Unmeasurable, Died) as reason:
                self.absent = str(reason)

    def sample(self) -> Sample | None:
        if self._sample is None:
            return None
        try:
            return self._sample()
        except Died as reason:
            self._sample, self.absent = None, str(reason)
            return None


def opened(
    stack: ExitStack, which: Which, side: Side, file: Path, case: Case, setting: Setting
) -> Callable[[], Sample]:
    """A function that gives a sample."""
    values = case.arguments(setting)
    if not isinstance(side, Inside):
        return _checked(side.prepare(setting, **values))
    python = OWN_PYTHON if which == "ours" else Path(setting.peer_command("python"))

    def start() -> Served:
        return Served(python, file, which, values)

    if side.fresh:
        return lambda: _once(start)
    session = start()
    stack.callback(session.close)
    return session.measure


def _checked(work: Callable[[], Sample | None]) -> Callable[[], Sample]:
    def sample() -> Sample:
        told = work()
        assert told is not None, "work outside must give its own sample"
        return told

    return sample


def _once(start: Callable[[], Served]) -> Sample:
    session = start()
    try:
        return session.measure()
    finally:
        session.close()


def _median(samples: tuple[dict[str, Any], ...], quantity: str) -> float | None:
    values = [sample[quantity] for sample in samples if quantity in sample]
    return median(values) if values else None


def _busy_seconds() -> float | None:
    """Return the seconds that all cores have computed since the machine started, None if unknown."""
    try:
        ticks = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    except (OSError, ValueError, IndexError):
        return None
    user, nice, system, _idle, _iowait, irq, softirq, _steal = ticks
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    """Return the seconds that this process and its ended children have computed."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
