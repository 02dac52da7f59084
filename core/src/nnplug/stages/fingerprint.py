"""Measure a dataset."""

from __future__ import annotations

from nnplug.contracts import Extractor
from nnplug.data.dataset import Dataset
from nnplug.data.fingerprint import Fingerprint
from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress


def measure(dataset: Dataset, extractor: Extractor, *, executor: Executor, progress: Progress) -> Fingerprint:
    """..."""
    return extractor.extract(dataset, executor=executor, progress=progress)
