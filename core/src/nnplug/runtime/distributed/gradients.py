"""Sum gradients over ranks while the backward pass still computes others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor, nn

BUCKET = 25 << 20
"""Bytes of gradients that travel in one message: a message takes a fixed time, and the last one delays the update."""


@dataclass(eq=False)
class _Bucket:
    """Parameters whose gradients travel together.

    Attributes:
        parameters: of one dtype.
        missing: the number of those that have no gradient yet.
        gradients: those that are sent.
        versions: of `gradients` when they were sent; another one is that of a gradient that has changed since.
        sent: their copy, which becomes the sum.
        work: the message; None before it is sent.
    """

    parameters: list[nn.Parameter] = field(default_factory=list)
    missing: int = 0
    gradients: list[Tensor] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    sent: Tensor | None = None
    work: dist.Work | None = None

    def reset(self) -> None:
        self.missing, self.gradients, self.versions, self.sent, self.work = len(self.parameters), [], [], None, None

    def send(self) -> None:
        self.gradients = [p.grad for p in self.parameters if p.grad is not None]
        self.versions = [gradient._version for gradient in self.gradients]  # noqa: SLF001 - it has no public name
        if self.gradients:
            self.sent = torch.cat([gradient.reshape(-1) for gradient in self.gradients])
            self.work = dist.all_reduce(self.sent, async_op=True)

    def receive(self) -> None:
        """Replace the gradients by their sums."""
        if self.work is None or self.sent is None:
            return
        self.work.wait()
        start = 0
        for gradient in self.gradients:
            gradient.copy_(self.sent[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()

    @property
    def has_changed(self) -> bool:
        """Return whether a later backward pass has added to gradients that are sent."""
        now = [p.grad for p in self.parameters if p.grad is not None]
        same = len(now) == len(self.gradients) and all(a is b for a, b in zip(now, self.gradients, strict=True))
        return not same or [gradient._version for gradient in now] != self.versions  # noqa: SLF001


class GradientSum:
    """The sums of a network's gradients over all ranks.

    A bucket is sent when the backward pass has computed its last gradient. All ranks send the same buckets in the same
    order. If several backward passes add up before an update, those that have changed are sent again.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], bucket: int = BUCKET) -> None:
        """Follow the gradients of these parameters.

        Args:
            parameters: in the order of the forward pass; their gradients come in the reverse order.
            bucket: the largest number of bytes of a message, unless one gradient is larger.
        """
        self._buckets = _buckets([p for p in parameters if p.requires_grad], bucket)
        self._next = 0
        self._bucket_of = {parameter: bucket for bucket in self._buckets for parameter in bucket.parameters}
        self._computed: set[nn.Parameter] = set()
        self._hooks = [
            parameter.register_post_accumulate_grad_hook(self._arrive)  # type: ignore[no-untyped-call]
            for parameter in self._bucket_of
        ]
        self._reset()

    def close(self) -> None:
        """Follow the gradients no longer."""
        for hook in self._hooks:
            hook.remove()

    def finish(self) -> None:
        """Replace the gradient of every parameter by its sum; parameters without one are left out."""
        while self._next < len(self._buckets):
            self._send()
        for bucket in self._buckets:
            if bucket.has_changed:
                if bucket.work is not None:
                    bucket.work.wait()
                bucket.send()
        for bucket in self._buckets:
            bucket.receive()
        self._reset()

    def _arrive(self, parameter: Tensor) -> None:
        """Send the buckets that are complete with this gradient."""
        assert isinstance(parameter, nn.Parameter)
        if parameter in self._computed:
            return
        self._computed.add(parameter)
        self._bucket_of[parameter].missing -= 1
        while self._next < len(self._buckets) and not self._buckets[self._next].missing:
            self._send()

    def _send(self) -> None:
        self._buckets[self._next].send()
        self._next += 1

    def _reset(self) -> None:
        self._next = 0
        self._computed.clear()
        for bucket in self._buckets:
            bucket.reset()


def _buckets(parameters: list[nn.Parameter], size: int) -> list[_Bucket]:
    """Return the parameters in buckets, in the order of their gradients."""
    buckets: list[_Bucket] = []
    left = 0
    for parameter in reversed(parameters):
        if not buckets or left < parameter.nbytes or buckets[-1].parameters[0].dtype != parameter.dtype:
            buckets.append(_Bucket())
            left = size
        buckets[-1].parameters.append(parameter)
        left -= parameter.nbytes
    return buckets
