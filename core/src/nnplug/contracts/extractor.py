"""Extractors: measure a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress

if TYPE_CHECKING:
    from nnplug.dataset.dataset import Dataset
    from nnplug.plans.fingerprint import Fingerprint


class Extractor(Protocol):
    """A component that measures the fingerprint of a dataset."""

    def extract(self, dataset: Dataset, *, executor: Executor, progress: Progress) -> Fingerprint:
        """Return the fingerprint of all training cases. Nothing is written."""
        ...
