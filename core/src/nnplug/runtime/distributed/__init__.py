"""The processes that train one network together; usually one. Torch is imported only if there are several."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from nnplug.runtime.distributed.gradients import GradientSum


@dataclass(frozen=True)
class World:
    """The rank of this process and the number of processes that train together, as in `torch.distributed`.

    Each rank has the same network and draws its own patches of the same batch. `sum`, `mean` and `gather` return the
    value that a single process computes from the whole batch. Their gradient is this rank's part of the whole gradient;
    `add_gradients` adds the parts.

    Attributes:
        rank: the number of this process.
        size: the number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Return whether this process writes files and reports."""
        return self.rank == 0

    def part(self, count: int) -> range:
        """Return the indices of this rank's part of `count` patches."""
        return range(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def wait(self) -> None:
        """Block until every rank has called this method."""
        if self.size > 1:
            from torch.distributed import barrier

            barrier()

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sum over the ranks, of the same shape."""
        if self.size == 1:
            return values
        from nnplug.runtime.distributed import collectives

        return collectives.add(values)

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """Return the mean over all elements of all ranks; their number may differ between ranks."""
        if self.size == 1:
            return values.mean()
        import torch

        total, count = self.sum(torch.stack([values.sum(), values.new_tensor(values.numel())]))
        mean: torch.Tensor = total / count
        return mean

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        """Return the values (n,) of all ranks, one after the other; n may differ between ranks."""
        if self.size == 1:
            return values
        from nnplug.runtime.distributed import collectives

        return collectives.gather(values, self.rank, self.size)

    def add_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace the gradient of every parameter by its sum over the ranks; parameters without one are left out."""
        if self.size > 1:
            from nnplug.runtime.distributed import collectives

            collectives.add_in_place([p.grad for p in parameters if p.grad is not None])

    def gradient_sum(self, parameters: Iterable[torch.nn.Parameter]) -> GradientSum | None:
        """Return the sums of gradients that travel while the backward pass goes on; None for a single process.

        Its `finish` does what `add_gradients` does. Ask for it once per network, on every rank.
        """
        if self.size == 1:
            return None
        from nnplug.runtime.distributed.gradients import GradientSum

        return GradientSum(parameters)

    def copy_from_main(self, tensors: Iterable[torch.Tensor]) -> None:
        """Overwrite the tensors of every rank with those of rank 0."""
        if self.size > 1:
            from nnplug.runtime.distributed import collectives

            collectives.copy(tensors)


SINGLE_PROCESS = World()
"""The world of a training with one process."""
