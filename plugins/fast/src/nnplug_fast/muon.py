"""Muon: the momentum of each kernel, orthogonalised; AdamW for the weights that are no matrices.

Sources: K. Jordan and others 2024, https://kellerjordan.github.io/posts/muon (the update and its coefficients); Liu and
others 2025, arXiv 2502.16982, section 2.2 (the scale and the weight decay).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from math import prod, sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

MOMENTUM = 0.95
_STEPS = 5
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_SCALE = 0.2
"""The root mean square of an update of AdamW, relative to its learning rate; a kernel gets the same."""
_EPSILON = 1e-8
_AVERAGES = ("exp_avg", "exp_avg_sq")


class Muon(torch.optim.Optimizer):
    """Muon for kernels, AdamW for the other weights; one learning rate serves for both.

    A kernel (out, in, *size) counts as the matrix (out, in x size). Weight decay is decoupled.
    """

    def __init__(
        self,
        kernels: Iterable[nn.Parameter],
        others: Iterable[nn.Parameter],
        *,
        lr: float,
        weight_decay: float,
        momentum: float = MOMENTUM,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        """Take parameters on their device.

        Args:
            kernels: weights with at least two axes.
            others: the other weights.
            lr: the learning rate.
            weight_decay: the decay, relative to the learning rate.
            momentum: share of the momentum of a kernel that a step keeps.
            betas: shares of the averages of AdamW that a step keeps.
        """
        matrices = {"params": list(kernels), "orthogonal": True, "momentum": momentum}
        # "fused" also says that a state that is loaded keeps the number of steps beside the weights
        rest = {"params": list(others), "orthogonal": False, "betas": tuple(betas), "fused": True}
        groups: list[dict[str, Any]] = [group for group in (matrices, rest) if group["params"]]
        super().__init__(groups, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update all weights that have a gradient; return the result of `closure`, if one is given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            trained = [parameter for parameter in group["params"] if parameter.grad is not None]
            if trained and group["orthogonal"]:
                self._update_kernels(trained, group)
            elif trained:
                self._update_others(trained, group)
        return loss

    def _update_kernels(self, kernels: Sequence[nn.Parameter], group: dict[str, Any]) -> None:
        alike = defaultdict(list)
        for kernel in kernels:
            alike[len(kernel), prod(kernel.shape[1:])].append(kernel)
        for shape, same in alike.items():
            directions = orthogonalise([self._direction(kernel, group["momentum"]).flatten(1) for kernel in same])
            for kernel, direction in zip(same, directions, strict=True):
                kernel.mul_(1 - group["lr"] * group["weight_decay"])
                kernel.sub_(direction.view(kernel.shape), alpha=group["lr"] * _SCALE * sqrt(max(shape)))

    def _direction(self, kernel: nn.Parameter, momentum: float) -> Tensor:
        """Return the gradient with Nesterov momentum."""
        assert kernel.grad is not None
        state = self.state[kernel]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(kernel)
        average: Tensor = state["momentum_buffer"]
        average.lerp_(kernel.grad, 1 - momentum)
        return torch.lerp(kernel.grad, average, momentum)

    def _update_others(self, others: Sequence[nn.Parameter], group: dict[str, Any]) -> None:
        for parameter in others:
            if not self.state[parameter]:
                self.state[parameter]["step"] = torch.zeros((), device=parameter.device)
                self.state[parameter].update({name: torch.zeros_like(parameter) for name in _AVERAGES})
        first, second = ([self.state[parameter][name] for parameter in others] for name in _AVERAGES)
        adamw(
            list(others),
            [parameter.grad for parameter in others if parameter.grad is not None],
            first,
            second,
            [],
            [self.state[parameter]["step"] for parameter in others],
            fused=True,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=_EPSILON,
            maximize=False,
        )


def orthogonalise(matrices: Sequence[Tensor]) -> list[Tensor]:
    """Return matrices (rows, columns) of one shape with their singular vectors, and singular values of about 1.

    Five steps of the Newton-Schulz iteration X <- (a + b S + c S S) X with S = X X^T, which begins with X of norm 1.
    Each factor is a polynomial of the first S. So the factors are multiplied for S alone, whose side is the shorter one
    of X, and X once at the end: a quarter of the operations for a kernel of 320 x 320 x 27. This needs float32.
    """
    rows, columns = matrices[0].shape
    squares = torch.stack([x @ x.T if rows <= columns else x.T @ x for x in matrices])
    norms = squares.diagonal(dim1=1, dim2=2).sum(1).clamp_min(torch.finfo(squares.dtype).tiny)[:, None, None]
    squares, factors = squares / norms, norms.rsqrt()
    linear, cubic, quintic = _COEFFICIENTS
    for step in range(_STEPS):
        polynomials = torch.baddbmm(squares, squares, squares, beta=cubic, alpha=quintic)
        polynomials.diagonal(dim1=1, dim2=2).add_(linear)
        squares = polynomials @ squares @ polynomials
        factors = polynomials @ factors if step else polynomials * factors
    pairs = zip(factors, matrices, strict=True)
    return [factor @ x if rows <= columns else x @ factor for factor, x in pairs]


def split_kernels(network: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the kernels and matrices of the hidden layers, and all other weights.

    The others are the first kernel, which takes the image; pointwise kernels with as many outputs as the network's last
    kernel, which give the logits; kernels of one row or column per channel; norms, biases, positions.
    """
    matrices = [parameter for parameter in network.parameters() if parameter.ndim == 2 or parameter.ndim >= 4]
    first, last = (matrices[0], matrices[-1]) if matrices else (None, None)
    hidden = []
    for parameter in matrices:
        gives_logits = last is not None and len(parameter) == len(last) and parameter[0, 0].numel() == 1
        is_matrix = min(parameter.shape[:2]) > 1
        if parameter is not first and is_matrix and not gives_logits:
            hidden.append(parameter)
    chosen = {id(parameter) for parameter in hidden}
    return hidden, [parameter for parameter in network.parameters() if id(parameter) not in chosen]
