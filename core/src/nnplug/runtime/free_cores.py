"""Compute on a CPU beside other programs.

PyTorch divides each operation among the threads of a team, as many as cores, and the team waits for its last thread: a
training step of a small network has 1900 such operations. If another program takes a core, then one thread of the team
has none, and the others wait for it in every operation. GNU's OpenMP lets them wait busily for up to 300,000 rounds
(5 to 20 ms), so that they use up the time in which the missing thread could compute. A step then takes 3 to 8 times as
long (row `neighbour` of `docs/benchmarks.md`).

Two means together keep this at about the share of the cores that is left, and both change no result, because the team
has the same threads with the same work:

* The team stays on the cores that others leave, so that its threads take turns there and the scheduler never places
  one behind the other program.
* It waits without using a core. GNU's OpenMP does so if it has more threads than cores: an idle thread with a team of
  its own is enough. The variable GOMP_SPINCOUNT would do it too, but for the whole process from its start, and alone on
  the machine a step takes 10 to 20 % longer with it. Fewer threads would be as fast as this, but sums depend on their
  number: the weights of a run would depend on what else the machine did.

Nothing changes while the machine is free. Elsewhere than on Linux with GNU's OpenMP nothing changes at all.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nnplug.runtime.openmp import GnuOpenMP

if TYPE_CHECKING:
    import torch

_EVERY = 0.5  # seconds; the kernel counts in steps of 0.01
_STAT, _THREADS = Path("/proc/stat"), Path("/proc/self/task")
_CROWDED, _FREE = 0.3, 0.15
"""Cores that the team lacks before it gathers, and until it spreads again."""

Cores = frozenset[int]


@contextmanager
def on_free_cores(device: torch.device) -> Iterator[None]:
    """Keep the calling thread's team on the cores that other programs leave, while a block computes on the CPU.

    A thread looks every half second. After the block every thread may use its cores as before. Results are equal to the
    bit with and without other programs.

    Args:
        device: the device that the block computes on; on others than a CPU nothing is done.
    """
    team = _team_of_caller() if device.type == "cpu" else None
    if team is None:
        yield
        return
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(team, over), name="free-cores", daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()


@dataclass(frozen=True)
class Load:
    """The use of the cores between two moments; 1.0 is one core all the time.

    Attributes:
        busy: core -> its use by all programs.
        own: the use of all cores by this process.
        team: the use of all cores by the team, which is part of `own`.
    """

    busy: Mapping[int, float]
    own: float
    team: float


def cores_for_team(load: Load, current: Cores, threads: int) -> Cores:
    """Return the cores that a team should use from now on: all of them, unless others leave too few.

    Args:
        load: the use of all cores that the process may use.
        current: the cores that the team used meanwhile.
        threads: the size of the team.
    """
    every = frozenset(load.busy)
    gathered = current != every
    left = len(every) - max(0.0, sum(load.busy.values()) - load.own)
    if min(threads, len(every)) - left <= (_FREE if gathered else _CROWDED):
        return every
    count = max(1, min(int(left + _CROWDED), len(every) - 1))
    own = load.team / len(current)
    others = {core: busy - (own if core in current else 0.0) for core, busy in load.busy.items()}
    if gathered:  # moving costs more than a small difference
        others = {core: use - (_CROWDED if core in current else 0.0) for core, use in others.items()}
    # the last core first: programs that choose a core themselves begin with core 0
    return frozenset(sorted(every, key=lambda core: (others[core], -core))[:count])


@dataclass
class _Team:
    """The team of a thread.

    Attributes:
        openmp: the library.
        threads: the native ids.
        every: the cores that the process may use.
        current: the cores that the team uses.
    """

    openmp: GnuOpenMP
    threads: frozenset[int]
    every: Cores
    current: Cores
    spare: _SpareTeam | None = field(default=None)

    def use(self, cores: Cores) -> None:
        """Move the team; without some of the cores it waits without using one."""
        before, self.current = self.current, cores
        for thread in self.threads if cores != before else ():
            _allow(thread, cores)
        if before != self.every:
            self._free_others(before)
        if cores == self.every and self.spare is not None:
            self.spare.end()
            self.spare = None
        elif cores != self.every and self.spare is None:
            self.spare = _SpareTeam(self.openmp, len(self.every) - len(self.threads) + 2)

    def _free_others(self, cores: Cores) -> None:
        """Allow every core to threads that the team has started meanwhile: they begin with its cores."""
        for thread in map(int, (folder.name for folder in _THREADS.iterdir())):
            if thread not in self.threads and _cores_of(thread) == cores:
                _allow(thread, self.every)


class _SpareTeam:
    """An idle team: with it OpenMP has more threads than cores, and waits without using a core."""

    def __init__(self, openmp: GnuOpenMP, size: int) -> None:
        self._over, started = threading.Event(), threading.Event()

        def idle() -> None:
            openmp.team(max(size, 2))
            started.set()
            self._over.wait()

        self._thread = threading.Thread(target=idle, name="spare team", daemon=True)
        self._thread.start()
        started.wait()

    def end(self) -> None:
        self._over.set()
        self._thread.join()


@dataclass(frozen=True)
class _Moment:
    """The use of cores, process and team until now, in seconds."""

    clock: float
    busy: Mapping[int, float]
    own: float
    team: float

    def until(self, later: _Moment) -> Load:
        """Return the load between this moment and a later one."""
        seconds = later.clock - self.clock
        return Load(
            busy={core: (later.busy[core] - was) / seconds for core, was in self.busy.items() if core in later.busy},
            own=(later.own - self.own) / seconds,
            team=(later.team - self.team) / seconds,
        )


def _watch(team: _Team, over: threading.Event) -> None:
    """Move the team until the block is over."""
    try:
        before = _moment(team)
        while not over.wait(_EVERY):
            now = _moment(team)
            load = before.until(now)
            if frozenset(load.busy) == team.every:
                team.use(cores_for_team(load, team.current, len(team.threads)))
            before = now
    except OSError:  # the system stopped telling
        pass
    finally:
        team.use(team.every)


def _team_of_caller() -> _Team | None:
    """Return the team.

    None if nobody waits in it, its threads are bound to cores, or the system has no such figures.
    """
    import torch  # here, because steps before training load this module and no PyTorch

    size = torch.get_num_threads()
    if size == 1 or not hasattr(os, "sched_setaffinity"):
        return None
    openmp, every = GnuOpenMP.find(), frozenset(os.sched_getaffinity(0))
    if openmp is None or len(every) == 1:
        return None
    threads = openmp.team(size)
    if any(_cores_of(thread) != every for thread in threads) or not every <= _busy_seconds().keys():
        return None
    return _Team(openmp, threads, every, every)


def _moment(team: _Team) -> _Moment:
    busy = {core: seconds for core, seconds in _busy_seconds().items() if core in team.every}
    return _Moment(time.monotonic(), busy, time.process_time(), sum(map(_seconds_of, team.threads)))


def _busy_seconds() -> dict[int, float]:
    """Return core -> the seconds in which it computed since the machine started.

    Empty if the system has no such figures.
    """
    try:
        lines = _STAT.read_text().splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        name, *ticks = line.split()
        if name.startswith("cpu") and name != "cpu":
            user, nice, system, _idle, _iowait, irq, softirq = map(int, ticks[:7])
            found[int(name[3:])] = (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
    return found


def _seconds_of(thread: int) -> float:
    """Return the seconds that a thread of this process has computed."""
    after_name = (_THREADS / str(thread) / "stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def _cores_of(thread: int) -> Cores:
    """Return the cores that a thread may use; none if it has ended."""
    with suppress(ProcessLookupError):
        return frozenset(os.sched_getaffinity(thread))
    return frozenset()


def _allow(thread: int, cores: Cores) -> None:
    with suppress(ProcessLookupError):
        os.sched_setaffinity(thread, cores)
