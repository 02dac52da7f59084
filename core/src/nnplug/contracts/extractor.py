"""Extractors: measure a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress

if TYPE_CHECKING:
    from nnplug.dataset.dataset import Dataset
    from nnplug.plans.fingerprint import Fingerprint


class Extractor(Protocol):
    """Measures a dataset."""

    def extract(self, dataset: Dataset, *, executor: Executor, progress: Progress) -> Fingerprint:
        """Read every training case, write nothing."""
        ...
