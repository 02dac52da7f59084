"""A sound metric, and metrics that break one promise each."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np


class Sound:
    figures: ClassVar[tuple[str, ...]] = ("Dice",)
    ranked: ClassVar[dict[str, str]] = {"Dice": "higher"}

    def measure(self, reference, prediction, labels, *, spacing):
        counted = np.True_ if labels.ignore is None else reference != labels.ignore
        return {
            key: {"Dice": self.dice(np.isin(reference, values) & counted, np.isin(prediction, values) & counted)}
            for key, values in zip(labels.keys, labels.foreground, strict=True)
        }

    def dice(self, a, b):
        whole = int(a.sum()) + int(b.sum())
        return 2 * int((a & b).sum()) / whole if whole else math.nan


class Constant(Sound):
    """Finds everything excellent."""

    def dice(self, a, b):
        return 1.0


class ConstantUnranked(Constant):
    ranked: ClassVar[dict[str, str]] = {}


class Inverted(Sound):
    """Says that higher is better of a figure that falls."""

    def dice(self, a, b):
        return 1 - super().dice(a, b)


class CountsIgnored(Sound):
    def measure(self, reference, prediction, labels, *, spacing):
        return {
            key: {"Dice": self.dice(np.isin(reference, values), np.isin(prediction, values))}
            for key, values in zip(labels.keys, labels.foreground, strict=True)
        }
