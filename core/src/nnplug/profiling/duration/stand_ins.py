"""A made-up preprocessed case with the patch, channels and labels of a configuration, so that a trainer can train."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nnplug.dataset.labels import Labels
from nnplug.plans.plans import Configuration, Plans
from nnplug.preparation.case_index import complete_index, index_entry, indexing_of
from nnplug.registry.components import Registry
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug.runtime.seeds import generator
from nnplug.workspace.case_store import CaseStore, Prepared
from nnplug.workspace.previous_labels import PreviousLabels

NAME = "made-up"
"""The name of the case."""
_SLICES = 4  # of a case for a 2D network
_MARGIN = 1.25  # case / patch per axis
_BLOCK = 8  # voxels per axis of a block of one label


def write_stand_in(
    folder: Path, plans: Plans, configuration: Configuration, labels: Labels, components: Registry
) -> CaseStore:
    """Write one case of noise whose label map has every label, with the index that sampler or trainer need.

    Args:
        folder: an empty folder.
        plans: name sampler and trainer.
        configuration: its patch decides the shape of the case, (z, y, x); a previous stage adds its label map.
        labels: the labels of the training.
        components: the registry with the components of the plans.
    """
    shape = _shape(configuration.patch_size)
    label = _blocks(shape, labels.all_values)
    previous = PreviousLabels(folder / "previous") if configuration.previous_stage else None
    if previous is not None:
        previous.write(NAME, label, source="")
    store = CaseStore(folder / "cases", previous=previous)
    noise = generator(0).standard_normal((len(configuration.normalization), *shape), dtype=np.float32)
    store.write(NAME, Prepared(noise, label, {}))
    indexing = indexing_of(index_entry(plans, components), labels)
    if indexing is not None:
        complete_index(store, [NAME], indexing, executor=LocalExecutor(1), progress=Silent())
    return store


def _shape(patch: Sequence[int]) -> tuple[int, int, int]:
    *first, y, x = (int(size * _MARGIN) for size in patch)
    return (first[0] if first else _SLICES), y, x


def _blocks(shape: Sequence[int], values: Sequence[int]) -> npt.NDArray[np.int16]:
    """Return a label map (z, y, x) of small blocks whose labels take turns."""
    number = sum(np.ix_(*(np.arange(size) // _BLOCK for size in shape)))
    blocks: npt.NDArray[np.int16] = np.asarray(values, np.int16)[number % len(values)]
    return blocks
