"""Write predicted label maps with the writers that the user chose."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from nnplug.arrays import LabelArray
from nnplug.contracts import PredictedCase
from nnplug.dataset.dataset import CaseFiles, DatasetDescription
from nnplug.inference.loaded import LoadedModel
from nnplug.inference.writers import ChosenWriter
from nnplug.io.geometry import Geometry, LabelMap
from nnplug.io.thin_axis import as_in_file


def predicted_case(
    model: LoadedModel, case: CaseFiles, labels: LabelArray, geometry: Geometry, kept: DatasetDescription
) -> PredictedCase:
    """Return a predicted label map for writers.

    Args:
        model: the model that predicted it.
        case: the case.
        labels: (z, y, x), with the axes of `geometry`.
        geometry: the geometry that the image was predicted with.
        kept: `dataset.json` of the model, with the labels of the kept classes.
    """
    stored, place = as_in_file(labels, geometry)
    members = [one.member for one in model.members]
    names = [f"{one.plans.dataset} {one.plans.name} {one.configuration}" for one in members]
    digests = " ".join(one.plans.digest() for one in members)
    return PredictedCase(
        case=case,
        label_map=LabelMap(stored.astype(np.int16, copy=False), place),
        description=kept,
        model=" + ".join(names),
        model_version=hashlib.sha256(digests.encode()).hexdigest()[:12],
    )


def write_further(files: Iterable[tuple[ChosenWriter, Path]], predicted: PredictedCase) -> None:
    """Write a label map with each writer; it raises as `ChosenWriter.write`."""
    for writer, path in files:
        writer.write(path, predicted)
