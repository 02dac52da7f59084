"""The choices of users that belong together: for planning, for the machine, for the folds and for training.

This module is light: command lines import it at their start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nnplug.registry.components import Kind


@dataclass(frozen=True)
class PlanChoices:
    """The choices for planning; None and absent kinds leave the decision to recipe and planner.

    Attributes:
        recipe: a recipe's name.
        components: kind -> component's name, for the kinds that the user names.
        memory_gb: target of GPU memory, in GB.
        name: name of the plans.
    """

    recipe: str | None = None
    components: Mapping[Kind, str] = field(default_factory=dict)
    memory_gb: float | None = None
    name: str | None = None


@dataclass(frozen=True)
class RuntimeOptions:
    """The choices for the machine; see `nnplug.registry.runtime.Runtime`.

    Attributes:
        executor: name of the executor.
        overrides: "plan" or kind -> option -> value, including the executor's.
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
        """The values of all kinds except executor and tracker, kind -> option -> value."""
        return {kind: values for kind, values in self.overrides.items() if kind not in (Kind.EXECUTOR, Kind.TRACKER)}


@dataclass(frozen=True)
class FoldSelection:
    """The trainings that a step works on.

    Attributes:
        configurations: names; empty means all.
        folds: numbers, or "all"; empty means every fold.
    """

    configurations: tuple[str, ...] = ()
    folds: tuple[int | str, ...] = ()


@dataclass(frozen=True)
class TrainingChoices:
    """The choices for the training of each fold.

    Attributes:
        devices: the number of devices that train one fold together.
        seed: the seed that every random draw derives from.
        mirroring: whether validation averages over mirrored images.
        fresh: whether to train again from the start.
        trackers: the names of the trackers that each training is sent to.
        command: the words of the user's command line, for the record; empty from Python.
    """

    devices: int = 1
    seed: int = 0
    mirroring: bool = True
    fresh: bool = False
    trackers: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class FoldChoices:
    """The choices for folds of a planned dataset, beside those of every training.

    Attributes:
        loss: a loss, instead of that of the plans or the trainer.
        sampler: a sampler, instead of that of the plans or the trainer.
        pretrained: a run, bundle or model of a hub, whose weights are the initial ones, except the segmentation heads.
        validate_only: whether to train nothing and score the validation cases.
        weights: the weights that are validated.
        save_logits: whether to keep CASE.logits.zip of the validation cases, for ensembles.
    """

    loss: str | None = None
    sampler: str | None = None
    pretrained: Path | None = None
    validate_only: bool = False
    weights: Literal["final", "best"] = "final"
    save_logits: bool = False
