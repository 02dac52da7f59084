"""A check, and the component that it checks."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from nnplug.errors import NnplugError
from nnplug.registry.components import AnyEntry, Registry


class ContractBroken(Exception):
    """The error that a component breaks the contract of its kind."""


class NotChecked(Exception):
    """The signal that a check does not apply to a component; the message has the reason. The check is skipped."""


def require(condition: object, message: str) -> None:
    """Raise `ContractBroken` with the message unless the condition holds; `python -O` does not disable it."""
    if not condition:
        raise ContractBroken(message)


@dataclass(frozen=True)
class Subject:
    """The component that is checked.

    Attributes:
        entry: the entry of its plugin.
        registry: the registry in which the component may look up others, as planners do.
        options: the options of the component; they override those of the kit.
    """

    entry: AnyEntry
    registry: Registry
    options: Mapping[str, Any]

    def create(self, **needed: Any) -> Any:
        """Return a new component; `needed` are options that the kit sets if the user of the kit does not."""
        return self.entry.create({**needed, **self.options})


Checks = Mapping[str, Callable[[Subject], None]]
"""A requirement in words -> the function that raises if a component does not satisfy it."""


class State(StrEnum):
    """The results that a check can have."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Verdict:
    """The result of one check.

    Attributes:
        state: passed, failed, or skipped (the kit could not check the component).
        reason: one line with the fault, or with the reason for the skip; empty if the check passed.
    """

    state: State
    reason: str = ""


@dataclass(frozen=True)
class Check:
    """One requirement of a component.

    Attributes:
        name: a few words that complete "the component ..".
        run: raises any exception if the component does not satisfy it, and `NotChecked` if it cannot be checked.
    """

    name: str
    run: Callable[[], None]

    def verdict(self) -> Verdict:
        """Run the check and return its result. Exceptions of the component are caught, except for an interrupt."""
        try:
            self.run()
        except NotChecked as skipped:
            return Verdict(State.SKIPPED, " ".join(str(skipped).split()))
        except (ContractBroken, NnplugError) as error:
            return Verdict(State.FAILED, " ".join(str(error).split()))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the component is foreign code
            message = f"{type(error).__name__}: {' '.join(str(error).split())} ({_place(error)})"
            return Verdict(State.FAILED, message)
        return Verdict(State.PASSED)

    def problem(self) -> str | None:
        """Run the check; return one line with the fault, or None if it passed or was skipped."""
        verdict = self.verdict()
        return verdict.reason if verdict.state is State.FAILED else None


def _place(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}, line {frame.lineno}"


def imports_no_torch(subject: Subject) -> None:
    """Raise unless the target imports without torch in a new interpreter: planning and listings must start fast."""
    loads_no_torch(subject.entry.component.target)


def loads_no_torch(target: str) -> None:
    """Import "package.module" or "package.module:attribute" in a new interpreter; raise if that imports torch."""
    code = (
        "import pkgutil, sys; sys.path[:] = sys.argv[2:]; pkgutil.resolve_name(sys.argv[1]);"
        "sys.exit(3 if 'torch' in sys.modules else 0)"
    )
    done = subprocess.run(  # noqa: S603 - the target is imported by this process too
        [sys.executable, "-c", code, target, *sys.path], capture_output=True, text=True, check=False
    )
    require(done.returncode != 3, f"importing {target} imports torch; import it inside the functions that use it")
    require(done.returncode == 0, f"{target} cannot be imported on its own: {done.stderr.strip().splitlines()[-1:]}")
