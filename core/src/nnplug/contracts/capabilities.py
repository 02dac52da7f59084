"""The type of a component whose entry promises more than the contract of its kind.

`Entry.create` has compared the class with the promises, so that these functions only give mypy the type.
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
from nnplug.contracts.kinds import ArchitectureEntry, AugmenterEntry, TrainerEntry
from nnplug.contracts.trainer import ExtensibleTrainer, Trainer
from nnplug.errors import InvalidPlugin


def topology_class(entry: ArchitectureEntry) -> type[TopologyArchitecture]:
    """Import the class of an architecture that takes a topology.

    Raises:
        InvalidPlugin: as `Entry.load`, or the entry does not say `takes_topology=True`.
    """
    if not entry.component.takes_topology:
        raise InvalidPlugin(f"{entry} takes no topology; plan it from its patch (nnplug.contracts.PatchArchitecture)")
    return cast("type[TopologyArchitecture]", entry.load())


def patch_class(entry: ArchitectureEntry) -> type[PatchArchitecture]:
    """Import the class of an architecture that takes no topology.

    Raises:
        InvalidPlugin: as `Entry.load`, or the entry says `takes_topology=True`.
    """
    if entry.component.takes_topology:
        raise InvalidPlugin(f"{entry} takes a topology; plan its stages (nnplug.contracts.TopologyArchitecture)")
    return cast("type[PatchArchitecture]", entry.load())


def headed(entry: ArchitectureEntry, made: Architecture) -> HeadedArchitecture | None:
    """Return the architecture with `split_head`; None where its entry does not promise it."""
    return cast("HeadedArchitecture", made) if entry.component.has_linear_head else None


def batching(entry: AugmenterEntry, made: Augmenter) -> BatchAugmenter | None:
    """Return the augmenter with `bind_batches`; None where its entry does not promise it."""
    return cast("BatchAugmenter", made) if entry.component.augments_batches else None


def extensible(entry: TrainerEntry, made: Trainer) -> ExtensibleTrainer | None:
    """Return the trainer with `extends`; None where its entry does not promise it."""
    return cast("ExtensibleTrainer", made) if entry.component.extends_runs else None
