"""The component `foreign-specks` of kind postprocessor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf, prod
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from nnplug.arrays import LabelArray
from nnplug.contracts import LabelledCase, Postprocessor
from nnplug.dataset.labels import Labels
from nnplug.errors import InvalidFile
from nnplug.io.images import read_label
from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress

RULE = "smallest_mm3"


@dataclass(frozen=True, kw_only=True)
class RemoveSpecks(Postprocessor):
    """Turns components that are much smaller than any in the references into background, where that helps a class.

    The rule is `{"smallest_mm3": {"1": 120.0}}`: the volume from which on a component of a label value stays.

    Attributes:
        share: of the smallest volume in the references.
    """

    share: float = 0.5

    def fit(
        self, cases: Sequence[LabelledCase], labels: Labels, *, executor: Executor, progress: Progress
    ) -> Mapping[str, Any]:
        """See `nnplug.contracts.Postprocessor`; classes whose Dice would fall, or that no reference holds, stay."""
        run = partial(executor.map, items=cases, stage="postprocess", name=attrgetter("name"))
        least: dict[str, float] = {}
        scores: dict[str, list[tuple[float, float]]] = {}
        with progress.task("fit postprocessing", 2 * len(cases)) as advance:
            for found in run(partial(_smallest, values=labels.foreground_values)):
                least = {key: min(found.get(key, inf), least.get(key, inf)) for key in {**least, **found}}
                advance("")
            limits = {key: self.share * volume for key, volume in sorted(least.items())}
            for changes in run(partial(_changes, limits=limits)):
                for key, change in changes.items():
                    scores.setdefault(key, []).append(change)
                advance("")
        kept = [key for key in limits if sum(after for _, after in scores[key]) >= sum(was for was, _ in scores[key])]
        return {RULE: {key: limits[key] for key in kept}}

    def apply(
        self,
        label_map: LabelArray,
        rule: Mapping[str, Any],
        *,
        spacing: Sequence[float],
        labels: Labels,
    ) -> LabelArray:
        """See `nnplug.contracts.Postprocessor`; raises `InvalidFile` where the rule is no rule of this component."""
        limits = rule.get(RULE)
        if not isinstance(limits, dict) or not {*limits} <= {str(value) for value in labels.foreground_values}:
            raise InvalidFile(f"rule {dict(rule)!r} is none of foreign-specks; fit it again")
        result = label_map.copy()
        for key, volume in limits.items():
            result[_specks(label_map == int(key), volume / prod(spacing))] = 0
        return result


def _specks(mask: npt.NDArray[np.bool_], voxels: float) -> npt.NDArray[np.bool_]:
    """Return the components of a mask (z, y, x) that have fewer voxels than that."""
    parts, _ = ndimage.label(mask)
    is_speck = np.bincount(parts.ravel()) < voxels
    is_speck[0] = False
    result: npt.NDArray[np.bool_] = is_speck[parts]
    return result


def _smallest(case: LabelledCase, *, values: Sequence[int]) -> dict[str, float]:
    """Return the volume (mm^3) of the smallest component of each label value that the reference holds."""
    reference = read_label(case.reference)
    found = {}
    for value in values:
        parts, count = ndimage.label(reference.array == value)
        if count:
            found[str(value)] = float(np.bincount(parts.ravel())[1:].min() * prod(reference.geometry.spacing))
    return found


def _changes(case: LabelledCase, *, limits: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Return the Dice of each label value before and after its specks are removed."""
    prediction, reference = read_label(case.prediction), read_label(case.reference)
    voxel = prod(prediction.geometry.spacing)
    changes = {}
    for key, volume in limits.items():
        found, there = prediction.array == int(key), reference.array == int(key)
        changes[key] = _dice(found, there), _dice(found & ~_specks(found, volume / voxel), there)
    return changes


def _dice(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> float:
    total = np.count_nonzero(a) + np.count_nonzero(b)
    return 2 * np.count_nonzero(a & b) / total if total else 1.0
