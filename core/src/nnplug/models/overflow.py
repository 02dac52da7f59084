"""Find outputs of a network in half precision that are not finite, and compute them again in float32."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch


class OverflowCheck:
    """The check of the outputs of one network.

    At first a sum on the device collects all passes, so that the host waits for it once per image. If
    an image has values that are not finite, `repair` is set: from then on each pass is checked when it is computed, and
    its windows with such values are computed again.

    Attributes:
        repair: whether each pass is checked and repaired.
        windows: the number of windows (and mirror images of windows) since the last call of `start`.
        repaired: the number of those that were computed again.
    """

    def __init__(self) -> None:
        """Begin without repair."""
        self.repair = False
        self.start()

    def start(self) -> None:
        """Begin an image."""
        self._sum: torch.Tensor | None = None
        self.windows = self.repaired = 0

    def checked(self, outputs: torch.Tensor, again: Callable[[Sequence[int]], torch.Tensor]) -> torch.Tensor:
        """Return outputs (B, C, *size) of half precision; with repair they are finite if they can be.

        Args:
            outputs: of a pass of B windows.
            again: returns the outputs of these windows of the pass in float32.
        """
        self.windows += len(outputs)
        # a sum is finite if and only if all values are: one kernel, and no copy of the outputs
        if not self.repair:
            added = outputs.sum(dtype=torch.float32)
            self._sum = added if self._sum is None else self._sum + added
            return outputs
        sums = outputs.sum(dim=tuple(range(1, outputs.ndim)), dtype=torch.float32).tolist()
        wrong = [window for window, total in enumerate(sums) if not math.isfinite(total)]
        if wrong:
            self.repaired += len(wrong)
            outputs = outputs.float()
            outputs[wrong] = again(wrong).float()
        return outputs

    def found(self) -> bool:
        """Return whether a pass since `start` gave values that are not finite; the host waits for the device once."""
        return self._sum is not None and not math.isfinite(self._sum)
