"""Check the label maps that components return."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnplug.arrays import LabelArray
from nnplug.dataset.labels import Labels
from nnplug.registry.attribution import broken, expect


def check_label_map(
    component: object,
    given: Any,
    shape: tuple[int, ...],
    labels: Labels | None,
    tolerated: frozenset[int] = frozenset(),
) -> LabelArray:
    """Return the label map that a component gave, if it is one of these labels.

    Args:
        component: the component, which messages name.
        given: its result.
        shape: the expected shape (z, y, x).
        labels: classes or regions; None if they are not known here.
        tolerated: values that the component got, and that are not its fault.

    Raises:
        InvalidPlugin: type, shape or dtype is wrong, or the labels lack a value.
    """
    found: LabelArray = expect(component, given, np.ndarray)
    if found.shape != shape:
        raise broken(component, f"gave a label map of shape {found.shape}; expected {shape}")
    if not np.issubdtype(found.dtype, np.integer):
        raise broken(component, f"gave a label map of {found.dtype}; expected integers")
    if labels is None:
        return found
    if unknown := unknown_values(found, labels) - tolerated:
        raise broken(component, f"gave label {min(unknown)}, which the labels lack (they are {_listed(labels)})")
    return found


def unknown_values(label_map: LabelArray, labels: Labels) -> frozenset[int]:
    """Return the values of a label map that the labels lack.

    Label values are consecutive from 0, so that usually the smallest and the largest value decide.
    """
    known = {*labels.all_values, *(labels.regions_class_order or ())}
    if not label_map.size or {int(label_map.min()), int(label_map.max())} <= known == set(range(max(known) + 1)):
        return frozenset()
    return frozenset(int(value) for value in np.unique(label_map)) - known


def _listed(labels: Labels) -> str:
    return ", ".join(map(str, labels.all_values))
