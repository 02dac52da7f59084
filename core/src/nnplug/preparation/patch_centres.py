"""Which voxels of a prepared case patches may be centred on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nnplug.dataset.labels import Labels
from nnplug.workspace.case_store import Voxels

OUTSIDE = -1
"""The label of background outside the nonzero mask."""

_SEED = 1234
_LEAST_VOXELS = 10_000
_LEAST_SHARE = 0.01


def draw_voxels(label: npt.NDArray[np.int16], labels: Labels) -> tuple[dict[str, Voxels], Voxels | None]:
    """Voxels to centre patches on: at least 10,000 and 1 % of each class or region, or all, as nnU-Net draws them.

    Args:
        label: (z, y, x), prepared.
        labels: classes or regions.

    Returns:
        key of the class or region -> (n, 3) of (z, y, x); and the same of all annotated voxels, those outside the
        nonzero mask included, where there is an ignore label.
    """
    random = np.random.RandomState(_SEED)
    foreground = {key: _draw(label, values, random) for key, values in zip(labels.keys, labels.foreground, strict=True)}
    return foreground, None if labels.ignore is None else _draw(label, (OUTSIDE, *labels.all_values), random)


def _draw(label: npt.NDArray[np.int16], values: Sequence[int], random: np.random.RandomState) -> Voxels:
    mask = label == values[0] if len(values) == 1 else np.isin(label, values)
    found = np.flatnonzero(mask)
    count = max(min(_LEAST_VOXELS, found.size), math.ceil(found.size * _LEAST_SHARE))
    chosen = found[random.choice(found.size, count, replace=False)] if found.size else found
    return np.stack(np.unravel_index(chosen, label.shape), axis=1).astype(np.int32)
