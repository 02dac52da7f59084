"""The values of options that belong together, each as one argument of a command; `options` makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnplug.registry.components import Kind


@dataclass(frozen=True)
class Choices:
    """The choices for planning; None and absent kinds leave the decision to recipe and planner.

    Attributes:
        recipe: a recipe's name.
        components: kind -> component's name, for the kinds that the user names.
        memory_gb: target of GPU memory, in GB.
        name: name of the plans.
    """

    recipe: str | None
    components: Mapping[Kind, str]
    memory_gb: float | None
    name: str | None


@dataclass(frozen=True)
class RuntimeOptions:
    """The choices for the machine, in any command; see `nnplug.registry.runtime.Runtime`.

    Attributes:
        executor: name of the executor.
        overrides: kind -> option -> value, as `--set` gives them, including the executor's.
        device: device of the networks.
        workers: number of cases or samples at once; None for one per core.
        gpu_memory_gb: the GB of a GPU that each process may allocate; None for all of it.
    """

    executor: str = "local"
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    device: str = "auto"
    workers: int | None = None
    gpu_memory_gb: float | None = None

    @property
    def settings(self) -> dict[str, Mapping[str, Any]]:
        """The `--set` values of all kinds except executor and tracker, kind -> option -> value."""
        return {kind: values for kind, values in self.overrides.items() if kind not in (Kind.EXECUTOR, Kind.TRACKER)}


@dataclass(frozen=True)
class FoldSelection:
    """The trainings that a command works on.

    Attributes:
        configurations: names; empty means all.
        folds: numbers, or "all"; empty means every fold.
    """

    configurations: tuple[str, ...]
    folds: tuple[int | str, ...]


@dataclass(frozen=True)
class Compared:
    """Two folders of label maps with the same names.

    Attributes:
        references: the folder of references.
        predictions: the folder of predictions.
        dataset_json: file with labels, regions and ignore label; None if the command does not need it.
    """

    references: Path
    predictions: Path
    dataset_json: Path | None


@dataclass(frozen=True)
class Written:
    """The file or folder that a command writes, and whether it replaces files that nnplug did not write."""

    output: Path
    replace: bool
