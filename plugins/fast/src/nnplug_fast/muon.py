"""Muon: the momentum of each kernel, orthogonalised; AdamW for the weights that are no matrices.

Sources: K. Jordan and others 2024, https://kellerjordan.github.io/posts/muon (the update and its coefficients); Liu and
others 2025, arXiv 2502.16982, section 2.2 (the scale and the weight decay).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

MOMENTUM = 0.95
ROWS = 64
"""The most outputs of a kernel that are orthogonalised together: 512 in eight parts take a seventh of the time."""
_STEPS = 5
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_SCALE = 0.2
"""The root mean square of an update of AdamW, relative to its learning rate; a kernel gets the same."""
_EPSILON = 1e-8
_AVERAGES = ("exp_avg", "exp_avg_sq")


class Muon(torch.optim.Optimizer):
    """Muon for kernels, AdamW for the other weights; one learning rate serves for both.

    A kernel (out, in, *size) counts as the matrix (out, in x size), or as several with fewer outputs each, which costs
    less (so do Khaled and others 2025, arXiv 2510.16981, in most steps). Weight decay is decoupled.
    """

    def __init__(
        self,
        kernels: Iterable[nn.Parameter],
        others: Iterable[nn.Parameter],
        *,
        lr: float,
        weight_decay: float,
        momentum: float = MOMENTUM,
        rows: int = ROWS,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        """Take parameters on their device.

        Args:
            kernels: weights with at least two axes.
            others: the other weights.
            lr: the learning rate.
            weight_decay: the decay, relative to the learning rate.
            momentum: share of the momentum of a kernel that a step keeps.
            rows: the most outputs of a kernel that are orthogonalised together.
            betas: shares of the averages of AdamW that a step keeps.
        """
        matrices = {"params": list(kernels), "orthogonal": True, "momentum": momentum}
        # "fused" also says that a state that is loaded keeps the number of steps beside the weights
        rest = {"params": list(others), "orthogonal": False, "betas": tuple(betas), "fused": True}
        groups: list[dict[str, Any]] = [group for group in (matrices, rest) if group["params"]]
        super().__init__(groups, {"lr": lr, "weight_decay": weight_decay})
        self._rows = rows

    _step_supports_amp_scaling = True
    """A loss scaler leaves `found_inf` on the device; otherwise the host would wait for it in every step."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update all weights that have a gradient; return the result of `closure`, if one is given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._unscale()
        overflow: Tensor | None = getattr(self, "found_inf", None)
        for group in self.param_groups:
            trained = [parameter for parameter in group["params"] if parameter.grad is not None]
            if trained and group["orthogonal"]:
                self._update_kernels(trained, group, overflow)
            elif trained:
                self._update_others(trained, group, overflow)
        return loss

    def _unscale(self) -> None:
        """Divide the gradients by the scale of a loss scaler that has not done so."""
        if (scale := getattr(self, "grad_scale", None)) is not None:
            parameters = [parameter for group in self.param_groups for parameter in group["params"]]
            torch._foreach_div_([parameter.grad for parameter in parameters if parameter.grad is not None], scale)

    def _update_kernels(self, kernels: Sequence[nn.Parameter], group: dict[str, Any], overflow: Tensor | None) -> None:
        """Update kernels. They stay as they are where `overflow` is 1 on the device; with None nothing is looked at."""
        alike = defaultdict(list)
        decay, finite = group["lr"] * group["weight_decay"], None if overflow is None else 1 - overflow
        directions = self._directions(kernels, group["momentum"], finite)
        for kernel, ahead in zip(kernels, directions, strict=True):
            order, parts = _memory_order(kernel), _equal_parts(len(kernel), self._rows)
            weights = kernel.permute(*order).view(parts, len(kernel) // parts, -1)
            alike[weights.shape[1:]].append((weights, ahead.permute(*order).reshape(weights.shape)))
        if finite is not None:
            torch._foreach_mul_(list(kernels), 1 - decay * finite)
        for (rows, columns), pairs in alike.items():
            kept, rate = 1 - decay if finite is None else 1.0, group["lr"] * _SCALE * sqrt(max(rows, columns))
            factors = orthogonal_factors([direction for _, direction in pairs])
            for (weights, direction), factor in zip(pairs, factors, strict=True):
                used = factor if finite is None else factor * finite
                first, second = (used, direction) if rows <= columns else (direction, used)
                weights.baddbmm_(first, second, beta=kept, alpha=-rate)

    def _directions(self, kernels: Sequence[nn.Parameter], momentum: float, finite: Tensor | None) -> Iterator[Tensor]:
        """Yield the gradient of each kernel with Nesterov momentum."""
        share = 1 - momentum if finite is None else (1 - momentum) * finite
        overflows = None if finite is None else finite == 0
        for kernel in kernels:
            assert kernel.grad is not None
            gradient = kernel.grad if overflows is None else kernel.grad.masked_fill(overflows, 0.0)
            state = self.state[kernel]
            if not state:
                state["momentum_buffer"] = torch.zeros_like(kernel)
            average: Tensor = state["momentum_buffer"]
            average.lerp_(gradient, share)
            yield torch.lerp(gradient, average, momentum)

    def _update_others(self, others: Sequence[nn.Parameter], group: dict[str, Any], overflow: Tensor | None) -> None:
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
            found_inf=overflow,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=_EPSILON,
            maximize=False,
        )


def orthogonal_factors(groups: Sequence[Tensor]) -> list[Tensor]:
    """Return the factors that make the singular values of matrices about 1.

    A factor stands before a matrix with at least as many columns as rows, and after any other.

    Five steps of the Newton-Schulz iteration X <- (a + b S + c S S) X with S = X X^T, which begins with X of norm 1.
    Each factor is a polynomial of the first S. So the factors are multiplied for S alone, and X is multiplied once at
    the end: a quarter of the operations for a kernel of 320 x 320 x 27. This needs float32.

    Args:
        groups: matrices (number, rows, columns), of one shape in all groups.

    Returns:
        For each group (number, side, side), where the side is the shorter one of a matrix.
    """
    rows, columns = groups[0].shape[1:]
    squares = torch.cat([x @ x.mT if rows <= columns else x.mT @ x for x in groups])
    norms = squares.diagonal(dim1=1, dim2=2).sum(1).clamp_min(torch.finfo(squares.dtype).tiny)[:, None, None]
    squares = squares / norms
    polynomials = _polynomials(squares)
    factors = polynomials * norms.rsqrt()
    for _ in range(_STEPS - 1):
        squares = polynomials @ squares @ polynomials
        polynomials = _polynomials(squares)
        factors = polynomials @ factors
    return list(factors.split_with_sizes([len(x) for x in groups]))


def _polynomials(squares: Tensor) -> Tensor:
    linear, cubic, quintic = _COEFFICIENTS
    polynomials = torch.baddbmm(squares, squares, squares, beta=cubic, alpha=quintic)
    polynomials.diagonal(dim1=1, dim2=2).add_(linear)
    return polynomials


def _memory_order(kernel: Tensor) -> list[int]:
    """Return the axes of a kernel: outputs, then the others, those first whose neighbours lie furthest apart."""
    return [0, *sorted(range(1, kernel.ndim), key=lambda axis: -kernel.stride()[axis])]


def _equal_parts(outputs: int, rows: int) -> int:
    """Return the smallest number of equal parts with at most `rows` outputs each."""
    return next(parts for parts in range(-(-outputs // rows), outputs + 1) if outputs % parts == 0)


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
