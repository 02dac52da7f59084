"""Check the logits that networks return. Shapes and types are compared; no value is read, so no device waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nnplug.registry.attribution import broken

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from nnplug.contracts.architecture import Architecture


@dataclass(frozen=True)
class LogitsCheck:
    """A forward hook of a network: it checks the logits of each call.

    In training mode a network may return further results after its first logits, for a trainer of its own.

    Attributes:
        architecture: the component that built the network, which messages name.
        outputs: the number of channels of the logits.
    """

    architecture: Architecture
    outputs: int

    def __call__(self, network: torch.nn.Module, inputs: Sequence[Any], given: Any) -> None:
        """Check what the network returned.

        Raises:
            InvalidPlugin: as `check_logits`; or the network returned no logits in training mode.
        """
        import torch

        size = _size(inputs)
        if not network.training:
            check_logits(self.architecture, given, self.outputs, size)
            return
        scales = given if isinstance(given, tuple | list) else [given]
        if not scales:
            raise broken(self.architecture, "gave an empty list in training mode; expected logits from fine to coarse")
        check_logits(self.architecture, scales[0], self.outputs, size)
        for further in scales[1:]:
            if isinstance(further, torch.Tensor) and further.ndim == scales[0].ndim:
                check_logits(self.architecture, further, self.outputs, None)


def check_logits(architecture: Architecture, given: Any, outputs: int, size: tuple[int, ...] | None) -> None:
    """Raise unless a network's result is one floating-point tensor of logits (B, outputs, *size).

    Args:
        architecture: the component that built the network.
        given: the result of the network.
        outputs: the number of channels of the logits: classes with the background, or regions.
        size: voxels per axis of the patch; None for logits of a coarser resolution.

    Raises:
        InvalidPlugin: it is not; the message names the architecture.
    """
    import torch

    if not isinstance(given, torch.Tensor):
        raise broken(architecture, f"gave {type(given).__name__} instead of one tensor of logits")
    if not given.is_floating_point():
        raise broken(architecture, f"gave logits of {given.dtype}; expected floating point")
    channels = given.shape[1] if given.ndim > 1 else 0
    if channels != outputs:
        raise broken(architecture, f"gave logits of {channels} channels; the labels need {outputs}")
    if size is not None and tuple(given.shape[2:]) != size:
        raise broken(architecture, f"gave logits of {tuple(given.shape[2:])} voxels for a patch of {size}")


def _size(inputs: Sequence[Any]) -> tuple[int, ...] | None:
    """Return the voxels per axis of the network's first argument (B, C, *size); None if that is no image."""
    import torch

    first = inputs[0] if inputs else None
    return tuple(first.shape[2:]) if isinstance(first, torch.Tensor) else None
