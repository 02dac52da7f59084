"""A sound postprocessor, and postprocessors that break one promise each."""

from __future__ import annotations

from operator import attrgetter

import numpy as np

from nnplug.io.images import read_label


def size(case):
    return int(np.count_nonzero(read_label(case.reference).array))


class Sound:
    def fit(self, cases, labels, *, executor, progress):
        return {"least": min(executor.map(size, cases, stage="fit", name=attrgetter("name"))) // 10}

    def apply(self, label_map, rule, *, spacing, labels):
        return label_map.copy() if np.count_nonzero(label_map) >= rule["least"] else np.zeros_like(label_map)


class Invents(Sound):
    """Finds a lesion in everybody."""

    def apply(self, label_map, rule, *, spacing, labels):
        result = label_map.copy()
        result[0, 0, 0] = 1
        return result


class Relabels(Sound):
    """Gives labels that the dataset does not have."""

    def apply(self, label_map, rule, *, spacing, labels):
        return np.where(label_map > 1, 9, label_map).astype(label_map.dtype)


class Wavers(Sound):
    """Decides by the toss of a coin."""

    def apply(self, label_map, rule, *, spacing, labels):
        keep = np.random.default_rng().random(label_map.shape) < 0.5
        return np.where(keep, label_map, 0).astype(label_map.dtype)


class ListsByFigure(Sound):
    """Gives a list where a figure is named."""

    def fit_by(self, figure, cases, labels, *, executor, progress):
        return [figure.name]
