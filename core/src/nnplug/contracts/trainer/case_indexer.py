"""Case indexers: store what a trainer needs of each preprocessed case before it trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from nnplug.workspace.case_index import CaseIndex

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nnplug.dataset.labels import Labels


class CaseIndexer(Protocol):
    """A rule of a trainer that makes a small index of each preprocessed case, which is stored beside the case.

    The entry of the trainer names the class as `case_index="package.module:Class"`. It is created without arguments,
    sent to other processes, and its module must import without torch: preprocessing uses it.

    Attributes:
        version: raise it when the same label map gets another index: stored ones are then made again.
    """

    version: ClassVar[int]

    def index(self, label: npt.NDArray[np.int16], labels: Labels) -> CaseIndex:
        """Return the index of a case; the same arguments give the same index.

        Args:
            label: (z, y, x), preprocessed; not to be changed.
            labels: classes or regions.
        """
        ...
