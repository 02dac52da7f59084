"""What was measured, a JSON file per machine; each case keeps its last result."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import msgspec

from harness.measure import Result
from harness.session import output_of
from nnplug.runtime.machine import Machine, inspect_machine
from nnplug.runtime.records import Record

_GB = 1_000_000_000
_PEER_PACKAGES = ("nnunetv2", "batchgeneratorsv2", "scikit-image", "torch")
_ASK = "from importlib.metadata import version\nfor name in {names!r}: print(name, version(name))"


class MachineFacts(Record, frozen=True, kw_only=True):
    """The facts besides the code that figures depend on."""

    processor: str
    cores: int
    memory_gb: int | None
    gpu: str | None
    system: str

    @classmethod
    def here(cls) -> MachineFacts:
        """This machine."""
        return cls.of(inspect_machine(Path.cwd()))

    @classmethod
    def of(cls, machine: Machine) -> MachineFacts:
        """Without what changes from minute to minute."""
        return cls(
            processor=f"{machine.processor} with bf16" if machine.cpu_bf16 else machine.processor,
            cores=machine.cores,
            memory_gb=round(machine.memory.total / _GB),
            gpu=machine.gpus[0].name if machine.gpus else None,
            system=machine.system,
        )

    @property
    def title(self) -> str:
        """One line."""
        parts = [self.processor, f"{self.cores} cores", self.memory_gb and f"{self.memory_gb} GB", self.gpu or "no GPU"]
        return ", ".join(str(part) for part in parts if part)

    @property
    def slug(self) -> str:
        """For file names."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


class Measured(Record, frozen=True, kw_only=True):
    """A result and the versions that it is of."""

    result: Result
    versions: dict[str, str]
    peer_versions: dict[str, str]


class Results(Record, frozen=True, kw_only=True):
    """Everything measured on a machine.

    Attributes:
        machine: this one.
        rows: row -> case -> result.
        rehearsed: row -> case for GPUs -> the day on which it last ran on the CPU, small, without an error.
    """

    machine: MachineFacts
    rows: dict[str, dict[str, Measured]] = msgspec.field(default_factory=dict)
    rehearsed: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)

    def find(self, row: str, case: str) -> Measured | None:
        """The last result of a case."""
        return self.rows.get(row, {}).get(case)

    def with_result(self, row: str, case: str, measured: Measured) -> Results:
        """The same with one result replaced."""
        rows = {**self.rows, row: {**self.rows.get(row, {}), case: measured}}
        return msgspec.structs.replace(self, rows=rows)

    def with_rehearsal(self, row: str, case: str, date: str) -> Results:
        """The same with a case for GPUs that has run on the CPU."""
        rehearsed = {**self.rehearsed, row: {**self.rehearsed.get(row, {}), case: date}}
        return msgspec.structs.replace(self, rehearsed=rehearsed)


def load_here(folder: Path, machine: MachineFacts) -> tuple[Path, Results]:
    """The file of a machine, and what it holds."""
    path = folder / f"{machine.slug}.json"
    return path, Results.read(path) if path.exists() else Results(machine=machine)


def load_all(folder: Path) -> Iterator[Results]:
    """Every machine's results."""
    for path in sorted(folder.glob("*.json")):
        yield Results.read(path)


def own_versions(root: Path) -> dict[str, str]:
    """Return the versions of nnplug, with its commit, and of torch."""
    commit = subprocess.run(
        ["git", "-C", str(root), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return {"nnplug": f"{version('nnplug-core')} ({commit or 'no commit'})", "torch": version("torch")}


def peer_versions(python: Path | None) -> dict[str, str]:
    """Return the versions of the distributions in the peer's environment."""
    if python is None:
        return {}
    lines = output_of([str(python), "-c", _ASK.format(names=_PEER_PACKAGES)]).splitlines()
    return dict(line.split() for line in lines)
