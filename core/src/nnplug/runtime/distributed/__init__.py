"""The processes that train one network together; alone as a rule. Torch is imported where there are several."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class World:
    """This process among those that train together, in the terms of `torch.distributed`.

    Each rank has the same network and makes its own samples of the same batch. Whatever is computed from `sum`,
    `mean` and `gather` has the value that one process gets from the whole batch, and a gradient that is this rank's
    part of the whole; `add_gradients` makes it whole.

    Attributes:
        rank: the number of this process.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Return whether this process writes files and reports."""
        return self.rank == 0

    def share(self, count: int) -> range:
        """This rank's part of `count` samples."""
        return range(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def wait(self) -> None:
        """Go on when every rank has come here."""
        if self.size > 1:
            from torch.distributed import barrier

            barrier()

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over the ranks, of the same shape."""
        if self.size == 1:
            return values
        from nnplug.runtime.distributed import collectives

        return collectives.add(values)

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """The mean over all elements of all ranks, which may have different numbers of them."""
        if self.size == 1:
            return values.mean()
        import torch

        total, count = self.sum(torch.stack([values.sum(), values.new_tensor(values.numel())]))
        mean: torch.Tensor = total / count
        return mean

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        """The values (n,) of all ranks one after the other; n may differ."""
        if self.size == 1:
            return values
        from nnplug.runtime.distributed import collectives

        return collectives.gather(values, self.rank, self.size)

    def add_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Give every parameter the sum of its gradients over the ranks."""
        if self.size > 1:
            from nnplug.runtime.distributed import collectives

            collectives.add_in_place([p.grad for p in parameters if p.grad is not None])

    def copy_from_leader(self, tensors: Iterable[torch.Tensor]) -> None:
        """Give tensors of every rank the values of the first."""
        if self.size > 1:
            from nnplug.runtime.distributed import collectives

            collectives.copy(tensors)


SINGLE_PROCESS = World()
"""One process, the only one."""
