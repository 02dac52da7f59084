"""Case indexers: make the index of each preprocessed case that a trainer needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from nnplug.workspace.case_index import CaseIndex

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nnplug.dataset.labels import Labels


class CaseIndexer(Protocol):
    """A rule of a trainer that makes a small index of each preprocessed case, stored with the case.

    The entry of the trainer names the class as `case_index="package.module:Class"`. It is created without arguments and
    pickled for other processes. Its module must not import torch, because preprocessing imports it.

    Attributes:
        version: increase it when the same label map gets another index; stored indices are then made again.
    """

    version: ClassVar[int]

    def index(self, label: npt.NDArray[np.int16], labels: Labels) -> CaseIndex:
        """Return the index of a case; the same arguments give the same index.

        Args:
            label: (z, y, x) int16, the preprocessed label map. Do not change it.
            labels: classes or regions.
        """
        ...
