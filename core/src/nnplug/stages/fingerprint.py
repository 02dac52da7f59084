"""Measure a dataset: all that planning knows about its images."""

from __future__ import annotations

from nnplug.contracts import Extractor
from nnplug.data.dataset import Dataset
from nnplug.data.fingerprint import Fingerprint
from nnplug.errors import InvalidPlugin
from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress


def measure(dataset: Dataset, extractor: Extractor, *, executor: Executor, progress: Progress) -> Fingerprint:
    """Read every training case and sum them up; writing the result is the caller's.

    Raises:
        Problems: some cases cannot be used, a line each.
        NnplugError: the dataset has no training case, or none with a foreground voxel.
        InvalidPlugin: the extractor gave something that does not describe this dataset.
    """
    fingerprint = extractor.extract(dataset, executor=executor, progress=progress)
    measured, cases = len(fingerprint.spacings), len(dataset.training_cases())
    if measured != cases or len(fingerprint.shapes_after_crop) != cases:
        raise InvalidPlugin(
            f"extractor {type(extractor).__name__} measured {measured} of {cases} cases of {dataset.folder}. "
            "Choose another with --extractor."
        )
    return fingerprint
