"""Keep some classes or regions of predicted label maps; all other voxels become background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nnplug.arrays import LabelArray
from nnplug.dataset.description import DatasetDescription
from nnplug.dataset.labels import Labels

KEY = "kept_classes"
"""The key in `dataset.json` beside the predictions that lists the kept classes, if some were left out."""


def kept_description(description: DatasetDescription, names: Sequence[str]) -> DatasetDescription:
    """Return a description whose `labels` are the background and the named classes or regions; `raw` stays whole.

    Args:
        description: `dataset.json` of the model.
        names: classes or regions; empty for all of them.

    Raises:
        NnplugError: as in `Labels.only`.
    """
    return replace(description, labels=description.labels.only(names)) if names else description


def keep_classes(label_map: LabelArray, labels: Labels) -> LabelArray:
    """Return a label map in which every value that belongs to no class or region of `labels` is background.

    Args:
        label_map: label values (z, y, x), any integer dtype.
        labels: the classes or regions to keep, see `Labels.only`.
    """
    table = np.zeros(int(label_map.max(initial=0)) + 1, label_map.dtype)
    kept = [value for value in labels.all_values if value < len(table)]
    table[kept] = kept
    return table[label_map]


def with_kept_classes(raw: Mapping[str, Any], labels: Labels, names: Sequence[str]) -> Mapping[str, Any]:
    """Return the `dataset.json` of predictions, with the names of the kept classes if some are left out.

    Args:
        raw: the content.
        labels: the kept classes or regions.
        names: the names that were asked for; empty for all, which adds no key.
    """
    return {**raw, KEY: list(labels.foreground_names)} if names else raw
