"""Adan, the optimiser of Xie et al. 2022 (arXiv 2208.06677): Adam with Nesterov momentum from gradient differences."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

BETAS = (0.02, 0.08, 0.01)
"""Weights of a new gradient, of a new gradient difference and of their squared sum in the averages."""
_AVERAGES = ("gradient", "difference", "square")
_EPSILON = 1e-8


class Adan(torch.optim.Optimizer):
    """Adan with decoupled weight decay, in the form of the paper's Algorithm 1 and the package adan-pytorch.

    As there, the averages are zero in the first step, which decays the weights alone, and each average is divided by
    the total weight of its terms.
    """

    def __init__(
        self,
        parameters: Iterable[torch.nn.Parameter],
        *,
        lr: float,
        weight_decay: float,
        betas: tuple[float, ...] = BETAS,
    ) -> None:
        """Take parameters on their device.

        Args:
            parameters: the weights.
            lr: the learning rate.
            weight_decay: the decay, relative to the learning rate.
            betas: three weights of new values in the averages; see `BETAS`.

        Raises:
            ValueError: `betas` are not three numbers above 0 and at most 1.
        """
        if len(betas) != len(BETAS) or not all(0 < beta <= 1 for beta in betas):
            raise ValueError(f"betas are {list(betas)}; Adan takes three numbers above 0, at most 1")
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "betas": tuple(betas)})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update all weights that have a gradient; return the result of `closure`, if one is given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, betas = self.state[parameter], group["betas"]
        if not state:
            state["step"] = torch.zeros(())
            state.update({name: torch.zeros_like(parameter) for name in (*_AVERAGES, "previous")})
        else:
            change = gradient - state["previous"]
            ahead = torch.add(gradient, change, alpha=1 - betas[1])
            for name, value, beta in zip(_AVERAGES, (gradient, change, ahead.square_()), betas, strict=True):
                state[name].lerp_(value, beta)
        state["step"] += 1
        weights = (1 - (1 - beta) ** float(state["step"]) for beta in betas)
        first, second, square = (state[name] / weight for name, weight in zip(_AVERAGES, weights, strict=True))
        direction = first.add_(second, alpha=1 - betas[1]).div_(square.sqrt_().add_(_EPSILON))
        parameter.sub_(direction, alpha=group["lr"]).div_(1 + group["weight_decay"] * group["lr"])
        state["previous"].copy_(gradient)
