"""Draw the voxels that patches are centred on. Preprocessing imports this module, so it does not import torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from nnplug.contracts import CaseIndex, CaseIndexer
from nnplug.errors import NnplugError
from nnplug.remedies import Action
from nnplug_nnunet.outside import OUTSIDE

if TYPE_CHECKING:
    from nnplug.dataset.labels import Labels
    from nnplug.workspace.case_store import StoredCase
    from nnplug.workspace.stored_array import StoredArray

Voxel = npt.NDArray[np.integer[Any]]
"""(z, y, x)."""
Voxels = npt.NDArray[np.int32]
"""Rows of (z, y, x)."""

_SEED = 1234
_LEAST_VOXELS = 10_000
_LEAST_SHARE = 0.01


class VoxelRows(Protocol):
    """Voxels as rows of (z, y, x): an array in memory, or a file that is read row by row."""

    def __len__(self) -> int:
        """Return the number of voxels."""
        ...

    def __getitem__(self, row: Any, /) -> Voxel:
        """Return one voxel (z, y, x)."""
        ...


@dataclass(frozen=True)
class Candidates:
    """The stored voxels of a case on which patches can be centred.

    Attributes:
        foreground: per class or region, in any order; empty if the case has none.
        annotated: voxels of every label but the ignored one; None if the dataset has no ignore label.
    """

    foreground: Sequence[VoxelRows]
    annotated: VoxelRows | None = None


@dataclass(frozen=True)
class PatchCentres(CaseIndexer):
    """The case index of nnU-Net's sampling: voxels of each class, and of the annotated part.

    The index holds the array `voxels`, (n, 3) int32 rows of (z, y, x), and the number of rows per class or region
    (`foreground`, in the order of the rows) and of annotated voxels (`annotated`, None without an ignore label).
    """

    version: ClassVar[int] = 1

    def index(self, label: npt.NDArray[np.int16], labels: Labels) -> CaseIndex:
        """See `nnplug.contracts.CaseIndexer`."""
        foreground, annotated = draw_voxels(label, labels)
        groups = [*foreground.values(), *([] if annotated is None else [annotated])]
        counts = {
            "foreground": {key: len(voxels) for key, voxels in foreground.items()},
            "annotated": None if annotated is None else len(annotated),
        }
        return CaseIndex({"voxels": np.concatenate([np.empty((0, 3), np.int32), *groups])}, counts)


def candidates(case: StoredCase) -> Candidates:
    """Return the stored patch centres of a case, read row by row.

    Raises:
        NnplugError: the case is stored without them.
    """
    foreground, annotated = stored_voxels(case)
    return Candidates(tuple(foreground.values()), annotated)


def stored_voxels(case: StoredCase) -> tuple[Mapping[str, StoredArray], StoredArray | None]:
    """Return the stored result of `draw_voxels` for a case.

    Raises:
        NnplugError: the case is stored without patch centres.
    """
    arrays, values = case.index.arrays, case.index.values
    if "voxels" not in arrays or "foreground" not in values:
        raise NnplugError(f"case {case.name!r} is stored without patch centres", Action.PREPROCESS_AGAIN())
    voxels, start = arrays["voxels"], 0
    foreground = {}
    for key, count in values["foreground"].items():
        foreground[key] = voxels.rows(start, start + count)
        start += count
    annotated: int | None = values.get("annotated")
    return foreground, None if annotated is None else voxels.rows(start, start + annotated)


def draw_voxels(label: npt.NDArray[np.int16], labels: Labels) -> tuple[dict[str, Voxels], Voxels | None]:
    """Draw the voxels to centre patches on, as in nnU-Net.

    Each class or region gives at least 10,000 voxels and 1 %, or all if it has fewer; classes are drawn by their value,
    whatever the order of `dataset.json`.

    Args:
        label: (z, y, x) int16, preprocessed.
        labels: classes or regions.

    Returns:
        key of the class or region -> (n, 3) int32 rows of (z, y, x); and, with an ignore label, the same of all
            annotated voxels, those outside the nonzero mask included.
    """
    random, ordered = np.random.RandomState(_SEED), labels.by_output
    drawn = zip(ordered.keys, ordered.foreground, strict=True)
    foreground = {key: _draw(label, values, random) for key, values in drawn}
    return foreground, None if labels.ignore is None else _draw(label, (OUTSIDE, *labels.all_values), random)


def _draw(label: npt.NDArray[np.int16], values: Sequence[int], random: np.random.RandomState) -> Voxels:
    mask: npt.NDArray[Any] = label == values[0] if len(values) == 1 else np.isin(label, values)
    found = np.flatnonzero(mask)
    count = max(min(_LEAST_VOXELS, found.size), math.ceil(found.size * _LEAST_SHARE))
    chosen = found[random.choice(found.size, count, replace=False)] if found.size else found
    return np.stack(np.unravel_index(chosen, label.shape), axis=1).astype(np.int32)
