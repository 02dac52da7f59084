"""A check, and the subject that it is given."""

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
    """A component does what the contract of its kind forbids, or leaves out what it asks."""


class NotChecked(Exception):
    """A check has nothing to try on this component; the message says why. The check counts as skipped."""


def require(condition: object, message: str) -> None:
    """Raise `ContractBroken` with the message unless the condition holds; `python -O` does not switch it off."""
    if not condition:
        raise ContractBroken(message)


@dataclass(frozen=True)
class Subject:
    """The component that is checked.

    Attributes:
        entry: what its plugin registered.
        registry: where the component may look up others, as planners do.
        options: to build it with, over those that the kit needs.
    """

    entry: AnyEntry
    registry: Registry
    options: Mapping[str, Any]

    def create(self, **needed: Any) -> Any:
        """A fresh component; `needed` are options that the kit sets where the user of the kit does not."""
        return self.entry.create({**needed, **self.options})


Checks = Mapping[str, Callable[[Subject], None]]
"""What a component must do, in words -> the function that raises where it does not."""


class State(StrEnum):
    """The results that a check can have."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Verdict:
    """The result of one check.

    Attributes:
        state: passed, failed, or skipped where the kit could not try the component.
        reason: one line on what is wrong, or why the check was skipped; empty where it passed.
    """

    state: State
    reason: str = ""


@dataclass(frozen=True)
class Check:
    """One thing that a component must do.

    Attributes:
        name: a few words that complete "the component ..".
        run: raises whatever it likes where the component does not, `NotChecked` where it could not be tried.
    """

    name: str
    run: Callable[[], None]

    def verdict(self) -> Verdict:
        """Run the check and return its result; nothing that the component raises comes through but an interrupt."""
        try:
            self.run()
        except NotChecked as skipped:
            return Verdict(State.SKIPPED, " ".join(str(skipped).split()))
        except (ContractBroken, NnplugError) as error:
            return Verdict(State.FAILED, " ".join(str(error).split()))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the component is somebody else's code
            message = f"{type(error).__name__}: {' '.join(str(error).split())} ({_place(error)})"
            return Verdict(State.FAILED, message)
        return Verdict(State.PASSED)

    def problem(self) -> str | None:
        """Run the check; return one line that says what is wrong, None where it passed or was skipped."""
        verdict = self.verdict()
        return verdict.reason if verdict.state is State.FAILED else None


def _place(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}, line {frame.lineno}"


def imports_no_torch(subject: Subject) -> None:
    """Import the target in a fresh interpreter: what planning and listings import must not take seconds."""
    loads_no_torch(subject.entry.component.target)


def loads_no_torch(target: str) -> None:
    """Import "package.module" or "package.module:attribute" in a fresh interpreter; raise where that imports torch."""
    code = (
        "import pkgutil, sys; sys.path[:] = sys.argv[2:]; pkgutil.resolve_name(sys.argv[1]);"
        "sys.exit(3 if 'torch' in sys.modules else 0)"
    )
    done = subprocess.run(  # noqa: S603 - the target is imported by this process too
        [sys.executable, "-c", code, target, *sys.path], capture_output=True, text=True, check=False
    )
    require(done.returncode != 3, f"importing {target} imports torch; import it inside the functions that use it")
    require(done.returncode == 0, f"{target} cannot be imported on its own: {done.stderr.strip().splitlines()[-1:]}")
