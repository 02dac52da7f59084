"""The types of components with capabilities beyond the contract of their kind.

`Entry.create` has checked that the class has the methods; these functions return the component with the type for mypy.
"""

from __future__ import annotations

from typing import cast

from nnplug.contracts.architecture import (
    Architecture,
    HeadedArchitecture,
    PatchArchitecture,
    TopologyArchitecture,
)
from nnplug.contracts.augmenter import Augmenter, BatchAugmenter
from nnplug.contracts.inference import Inference, SlabInference
from nnplug.contracts.kinds import (
    ArchitectureEntry,
    AugmenterEntry,
    InferenceEntry,
    PlannerEntry,
    PostprocessorEntry,
    TrainerEntry,
)
from nnplug.contracts.planner import MemoryPlanner, Planner
from nnplug.contracts.postprocessor import FigurePostprocessor, Postprocessor
from nnplug.contracts.trainer import AdaptiveTrainer, ExtensibleTrainer, RehearsingTrainer, Trainer
from nnplug.errors import InvalidPlugin


def with_memory_target(entry: PlannerEntry, made: Planner) -> MemoryPlanner | None:
    """Return the planner as one with `memory_target`, or None if its entry does not declare it."""
    return cast("MemoryPlanner", made) if entry.component.plans_for_memory else None


def topology_class(entry: ArchitectureEntry) -> type[TopologyArchitecture]:
    """Return the class of an architecture that takes a topology.

    Raises:
        InvalidPlugin: as in `Entry.load`, or the entry has `takes_topology=False`.
    """
    if not entry.component.takes_topology:
        raise InvalidPlugin(f"{entry} takes no topology; plan it from its patch (nnplug.contracts.PatchArchitecture)")
    return cast("type[TopologyArchitecture]", entry.load())


def patch_class(entry: ArchitectureEntry) -> type[PatchArchitecture]:
    """Return the class of an architecture that takes no topology.

    Raises:
        InvalidPlugin: as in `Entry.load`, or the entry has `takes_topology=True`.
    """
    if entry.component.takes_topology:
        raise InvalidPlugin(f"{entry} takes a topology; plan its stages (nnplug.contracts.TopologyArchitecture)")
    return cast("type[PatchArchitecture]", entry.load())


def headed(entry: ArchitectureEntry, made: Architecture) -> HeadedArchitecture | None:
    """Return the architecture as one with `split_head`, or None if its entry does not declare it."""
    return cast("HeadedArchitecture", made) if entry.component.has_linear_head else None


def batching(entry: AugmenterEntry, made: Augmenter) -> BatchAugmenter | None:
    """Return the augmenter as one with `bind_batches`, or None if its entry does not declare it."""
    return cast("BatchAugmenter", made) if entry.component.augments_batches else None


def slabbed(entry: InferenceEntry, made: Inference) -> SlabInference | None:
    """Return the inference as one with `slabs`, or None if its entry does not declare it."""
    return cast("SlabInference", made) if entry.component.gives_slabs else None


def adaptive(entry: TrainerEntry, made: Trainer) -> AdaptiveTrainer | None:
    """Return the trainer as one with `adapted`, or None if its entry does not declare it."""
    return cast("AdaptiveTrainer", made) if entry.component.adapts else None


def extensible(entry: TrainerEntry, made: Trainer) -> ExtensibleTrainer | None:
    """Return the trainer as one with `extends`, or None if its entry does not declare it."""
    return cast("ExtensibleTrainer", made) if entry.component.extends_runs else None


def rehearsing(entry: TrainerEntry, made: Trainer) -> RehearsingTrainer | None:
    """Return the trainer as one with `rehearse`, or None if its entry does not declare it."""
    return cast("RehearsingTrainer", made) if entry.component.rehearses else None


def by_figure(entry: PostprocessorEntry, made: Postprocessor) -> FigurePostprocessor | None:
    """Return the postprocessor as one with `fit_by`, or None if its entry does not declare it."""
    return cast("FigurePostprocessor", made) if entry.component.fits_by_figure else None
