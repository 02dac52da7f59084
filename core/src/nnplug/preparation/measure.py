"""Measure the fingerprint of a dataset."""

from __future__ import annotations

from nnplug.contracts import Extractor
from nnplug.contracts.attributed import AttributingExecutor
from nnplug.contracts.attributed.json_check import check_json
from nnplug.dataset.dataset import Dataset
from nnplug.errors import InvalidPlugin
from nnplug.plans.fingerprint import Fingerprint
from nnplug.registry.attribution import attributed, expect, name_of
from nnplug.remedies import Action
from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress


def measure(dataset: Dataset, extractor: Extractor, *, executor: Executor, progress: Progress) -> Fingerprint:
    """Return the fingerprint of all training cases. Nothing is written.

    Raises:
        Problems: some cases cannot be used; a line each.
        NnplugError: the dataset has no training case, or none with a foreground voxel.
        InvalidPlugin: the extractor returned a fingerprint that does not match the dataset.
    """
    with attributed(extractor):
        given = extractor.extract(dataset, executor=AttributingExecutor(executor, extractor), progress=progress)
    fingerprint = expect(extractor, given, Fingerprint)
    measured, cases = len(fingerprint.spacings), len(dataset.training_cases())
    if measured != cases or len(fingerprint.shapes_after_crop) != cases:
        raise InvalidPlugin(
            f"{name_of(extractor)} measured {measured} of {cases} cases of {dataset.folder}",
            Action.CHOOSE_EXTRACTOR(),
        )
    if fingerprint.extra is not None:
        check_json(extractor, fingerprint.extra, "an extra")
    return fingerprint
