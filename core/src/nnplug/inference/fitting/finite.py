"""Check that logits are finite, on a GPU without a wait for each part of them."""

from __future__ import annotations

import math

import torch

from nnplug.errors import NnplugError


class NotFinite(NnplugError):
    """The error that logits are NaN or infinite."""


class FiniteCheck:
    """The check of the logits of one image. Logits on a CPU are checked at once, those on a GPU all together."""

    def __init__(self, failure: NotFinite) -> None:
        """Store the error to raise."""
        self._failure = failure
        self._finite: torch.Tensor | None = None

    def __call__(self, logits: torch.Tensor) -> torch.Tensor:
        """Return logits of any shape; on a CPU raise `NotFinite` if some are NaN or infinite."""
        low, high = torch.aminmax(logits)
        if logits.device.type == "cpu":
            if not (math.isfinite(low) and math.isfinite(high)):
                raise self._failure
            return logits
        finite = low.isfinite() & high.isfinite()
        self._finite = finite if self._finite is None else self._finite & finite
        return logits

    def finish(self) -> None:
        """Raise `NotFinite` if some logits on a GPU were NaN or infinite; the host waits for the GPU."""
        if self._finite is not None and not bool(self._finite):
            raise self._failure
