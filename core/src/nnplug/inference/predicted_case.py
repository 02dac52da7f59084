"""Describe a predicted label map and its model for writers."""

from __future__ import annotations

import hashlib

import numpy as np

from nnplug.arrays import LabelArray
from nnplug.contracts import PredictedCase, PredictingModel
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.inference.loaded import LoadedModel
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
    by = predicting_model(model, kept)
    label_map = LabelMap(stored.astype(np.int16, copy=False), place)
    return PredictedCase(case, label_map, description=kept, model=by.name, model_version=by.version)


def predicting_model(model: LoadedModel, kept: DatasetDescription) -> PredictingModel:
    """Return what writers record of a model; `kept` is its `dataset.json` with the labels of the kept classes."""
    members = [one.member for one in model.members]
    names = [f"{one.plans.dataset} {one.plans.name} {one.configuration}" for one in members]
    digests = " ".join(one.plans.digest() for one in members)
    return PredictingModel(kept, " + ".join(names), hashlib.sha256(digests.encode()).hexdigest()[:12])
