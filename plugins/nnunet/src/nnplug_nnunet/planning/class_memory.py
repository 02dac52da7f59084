"""The memory of a loss over many classes, which nnU-Net's budget of feature maps leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

GIGABYTE = 1 << 30
ELEMENT_BYTES = 5.0
"""Bytes of a training step per element of the feature maps; `nnplug plan --memory` counts 4.9 to 5.2 with nnU-Net's."""
LOGIT_BYTES = 12.5
"""Bytes per logit at full resolution, with those of coarser resolutions: in half and single precision, probabilities,
their gradient and the masks of the target. Counted in the same way."""
USABLE = 0.9
"""The share of the target that tensors may take; the rest is for cuDNN and the CUDA context."""
MANY = 0.25
"""Classes count from this share of the memory on; plans of fewer stay nnU-Net's."""


@dataclass(frozen=True)
class ClassMemory:
    """An estimate of the memory of a training step, with the loss over all classes.

    Attributes:
        outputs: the number of logits of a voxel.
        target_gb: the memory to plan for, GB.
    """

    outputs: int
    target_gb: float

    def gigabytes(self, elements: float, patch: Sequence[int], batch_size: int) -> float:
        """Return the memory of a training step in GB.

        Args:
            elements: of the feature maps of one sample.
            patch: voxels per axis.
            batch_size: samples.
        """
        features = max(0.0, elements - self.outputs * prod(patch))  # nnU-Net counts logits among the feature maps
        return batch_size * (features * ELEMENT_BYTES + self._logit_bytes(patch)) / GIGABYTE

    def loss_gigabytes(self, patch: Sequence[int], batch_size: int) -> float:
        """Return the part of the loss in GB."""
        return batch_size * self._logit_bytes(patch) / GIGABYTE

    def exceeds(self, elements: float, patch: Sequence[int], batch_size: int) -> bool:
        """Return whether a training step does not fit the target because of its classes; arguments as above."""
        needed = self.gigabytes(elements, patch, batch_size)
        return needed > USABLE * self.target_gb and self.loss_gigabytes(patch, batch_size) > MANY * needed

    def _logit_bytes(self, patch: Sequence[int]) -> float:
        return self.outputs * prod(patch) * LOGIT_BYTES
