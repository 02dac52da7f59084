"""A row of the table: what is compared, in which cases, with which goals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Sample = Mapping[str, Any]
"""One measurement: "seconds" (wall), "cpu_seconds", "extra_bytes" (on top of what was there), "peak_bytes" (of a whole
command with its workers), and what else a row is about ("wait_share", "dice", "curve")."""

Work = Callable[[], Sample | None]
"""Does what is measured, once; what it gives wins over what the harness measures around it."""


class Unmeasurable(Exception):
    """This row cannot be measured here; the message says why."""


@dataclass(frozen=True)
class Setting:
    """The place and the settings of a measurement.

    Attributes:
        quick: small sizes, one round: to see that a row works.
        peer: a Python that has nnunetv2, None where there is none.
        shared: the folder with `data/` and `reference/`.
        scratch: a folder of this row's own, empty at first.
        rehearse: run rows for GPUs on the CPU, small, to see that they work.
    """

    quick: bool
    peer: Path | None
    shared: Path
    scratch: Path
    rehearse: bool = False

    def dataset(self, name: str) -> Path:
        """A real dataset; raises `Unmeasurable` where it is not here."""
        folder = self.shared / "data" / name
        if not folder.is_dir():
            raise Unmeasurable(f"needs {name}, which is not in {self.shared / 'data'}")
        return folder

    def peer_command(self, name: str) -> str:
        """A command of the environment that has nnunetv2; raises `Unmeasurable` where there is none."""
        if self.peer is None:
            raise Unmeasurable("nnunetv2 is not here; bench/setup makes its environment, or give --peer PYTHON")
        return str(self.peer.parent / name)


@dataclass(frozen=True)
class Goal:
    """A bound: on nnplug's figure over the peer's, or on nnplug's alone."""

    quantity: str
    limit: float
    of: Literal["ratio", "nnplug"] = "ratio"
    at_least: bool = False

    def is_met(self, figure: float) -> bool:
        """Return whether a ratio or figure keeps within the bound."""
        return figure >= self.limit if self.at_least else figure <= self.limit


@dataclass(frozen=True)
class Inside:
    """Work in a process of its own that is asked again and again, so that two can take turns.

    Attributes:
        prepare: `prepare(**values)` makes ready and gives the work. It imports what it needs itself.
        fresh: start a new process for every measurement: memory that is kept would hide what the next one takes.
    """

    prepare: Callable[..., Work]
    fresh: bool = False


@dataclass(frozen=True)
class Outside:
    """Work that starts whole commands itself: `prepare(setting, **values)` makes ready and gives the work."""

    prepare: Callable[..., Work]


Side = Inside | Outside
Which = Literal["ours", "theirs"]
SIDES: tuple[Which, Which] = ("ours", "theirs")


@dataclass(frozen=True)
class Case:
    """One line of a row.

    Attributes:
        name: as the table calls it.
        values: keyword arguments of both sides.
        quick: those that differ with --quick.
        goals: bounds.
        gpu: whether it is measured on a CUDA GPU only; both sides get `device`, "cuda" or in rehearsals "cpu".
        only: the one side that this case is about, None for both.
        missed: why its goals are missed, for as long as they are.
    """

    name: str
    values: Mapping[str, Any] = field(default_factory=dict)
    quick: Mapping[str, Any] = field(default_factory=dict)
    goals: tuple[Goal, ...] = ()
    gpu: bool = False
    only: Literal["nnplug"] | None = None
    missed: str = ""

    def arguments(self, setting: Setting) -> dict[str, Any]:
        """Return the arguments of both sides in this setting."""
        small = setting.quick or setting.rehearse
        device = {"device": "cpu" if setting.rehearse else "cuda"} if self.gpu else {}
        return {**self.values, **(self.quick if small else {}), **device}


@dataclass(frozen=True)
class Row:
    """A comparison.

    Attributes:
        title: one line for the table.
        ours: nnplug's side.
        theirs: the peer's, None where nnplug is measured alone.
        cases: lines.
        peer: who `theirs` is.
        compare: what takes the setting and both samples of a pair, added to nnplug's.
        rounds: pairs of measurements; their medians count.
        warm_up: rounds before them that do not count.
        apart: whether a side is measured as a whole before the other, and kept: for rows of which one round takes so
            long that nobody can wait for both. Such a row may be stopped between its sides and gone on with.
        recorded: whether its sides read what a command of its own has kept; what others compute then is no matter.
        note: how to read the figures.
    """

    title: str
    ours: Side
    cases: tuple[Case, ...]
    theirs: Side | None = None
    peer: str = "nnunetv2"
    compare: Callable[[Setting, Sample, Sample], Sample] | None = None
    rounds: int = 5
    warm_up: int = 1
    apart: bool = False
    recorded: bool = False
    note: str = ""
