"""Rows whose sides are measured one after the other, and kept each: a round of both would take too long."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from harness.measure import Load, Result, check_device, opened
from harness.row import SIDES, Case, Row, Setting, Unmeasurable, Which
from harness.session import Died

Samples = tuple[dict[str, Any], ...]


def sides_to_measure(row: Row, case: Case, earlier: Result | None) -> tuple[Which, ...]:
    """Those that a stopped measurement has left; all of them where there is none, or a whole one to be repeated."""
    there: tuple[Which, ...] = SIDES if row.theirs is not None and case.only is None else SIDES[:1]
    left = tuple(side for side in there if earlier is not None and side in earlier.pending)
    return left or there


def measure_side(
    file: Path, row: Row, case: Case, setting: Setting, which: Which, earlier: Result | None, rounds: int | None = None
) -> Result:
    """Measure one side and put it beside what `earlier` holds of the other."""
    date, load = datetime.now(UTC).astimezone().isoformat(timespec="seconds"), Load()
    samples: Samples = ()
    reason = None
    try:
        check_device(case, setting)
        with load.watched(), ExitStack() as stack:
            work = opened(stack, which, getattr(row, which), file, case, setting)
            samples = tuple(dict(work()) for _ in range(rounds or (1 if setting.quick else row.rounds)))
    except (Unmeasurable, Died) as error:
        reason = str(error)
    told = tuple({**sample, "others": load.others} for sample in samples)
    known = earlier or Result(date=date, pending=sides_to_measure(row, case, None))
    pending = tuple(side for side in known.pending if side != which)
    return _compared(row, setting, _with_side(replace(known, date=date, pending=pending), which, told, reason))


def _with_side(known: Result, which: Which, samples: Samples, reason: str | None) -> Result:
    """The result with the samples of a side, or the reason why it has none."""
    if which == "ours":
        return replace(known, nnplug=samples, unmeasured=reason)
    return replace(known, peer=samples, peer_absent=reason)


def _compared(row: Row, setting: Setting, result: Result) -> Result:
    """What takes both samples is computed as soon as both are there."""
    if row.compare is None or not result.peer or not result.nnplug:
        return result
    pairs = zip(result.nnplug, result.peer, strict=False)
    return replace(result, nnplug=tuple({**a, **row.compare(setting, a, b)} for a, b in pairs))
