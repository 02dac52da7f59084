"""Weights that are validated and saved instead of those in training: their moving average."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from nnplug_nnunet.training.state import PreparedWeights


class ExponentialAverage(PreparedWeights):
    """The exponential moving average of the trained parameters (EMA).

    After every iteration: average = decay x average + (1 - decay) x parameter. The start of a training counts less: the
    decay of iteration n (from 0) is at most (1 + n) / (10 + n). Buffers, such as statistics of batch normalisation, are
    those in training.
    """

    def __init__(self, network: nn.Module, decay: float = 0.999) -> None:
        """Begin with the present parameters.

        Args:
            network: on its device.
            decay: share of the average that an iteration keeps, from 0 to below 1.
        """
        self._decay = decay
        self._parameters = dict(network.named_parameters())
        self._averages = {name: p.detach().clone() for name, p in self._parameters.items()}
        self._updates = 0

    def update(self) -> None:
        """Move the averages towards the parameters."""
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        self._updates += 1
        move = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        move(list(self._averages.values()), list(self._parameters.values()), self._updates)

    def tensors(self) -> Mapping[str, Tensor]:
        """Return the averages by the parameters' names."""
        return self._averages

    def state_dict(self) -> dict[str, Any]:
        """Return the averages and the number of updates."""
        return {"averages": self._averages, "updates": self._updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from an earlier `state_dict`."""
        self._updates = state["updates"]
        _copy(state["averages"], self._averages)


@contextmanager
def holding(network: nn.Module, prepared: PreparedWeights | None) -> Iterator[None]:
    """Give a network its prepared weights inside the block, and those in training after it.

    Args:
        network: the network; tensors keep their place in memory, so that a compiled network follows.
        prepared: None changes nothing.
    """
    if prepared is None:
        yield
        return
    own = network.state_dict()
    trained = {name: own[name].clone() for name in prepared.tensors()}
    _copy(prepared.tensors(), own)
    try:
        yield
    finally:
        _copy(trained, own)


@torch.no_grad()
def _copy(tensors: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        targets[name].copy_(tensor)
