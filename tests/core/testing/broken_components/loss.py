"""A sound loss, and losses that break one promise each."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nnplug.contracts import LossContext
from nnplug.errors import NnplugError


@dataclass(frozen=True)
class Bound:
    made: object
    context: LossContext

    def __call__(self, logits, target):
        return self.made.value(logits, target, self.context)


class Sound:
    """Binary cross-entropy of every output, averaged over voxels and batch."""

    def bind(self, context):
        return Bound(self, context)

    def value(self, logits, target, context):
        each, counted = self.entropies(logits, target, context)
        return context.world.sum((each * counted).sum()) / context.world.sum(counted.sum()).clamp_min(1)

    def entropies(self, logits, target, context):
        labels = context.labels
        channels = labels.foreground if labels.has_regions else [(value,) for value in labels.all_values]
        masks = torch.cat([torch.isin(target, target.new_tensor(v)) for v in channels], 1).float()
        each = torch.nn.functional.binary_cross_entropy_with_logits(logits, masks, reduction="none").mean(1)
        counted = torch.ones_like(each) if labels.ignore is None else (target[:, 0] != labels.ignore).float()
        return each, counted


class PerSample(Sound):
    def value(self, logits, target, context):
        each, counted = self.entropies(logits, target, context)
        return (each * counted).flatten(1).mean(1)


class Backwards(Sound):
    def value(self, logits, target, context):
        return -super().value(logits, target, context)


class CountsIgnored(Sound):
    def entropies(self, logits, target, context):
        each, _ = super().entropies(logits, target, context)
        return each, torch.ones_like(each)


class DividesByForeground(Sound):
    """Divides by the voxels of the foreground, of which there may be none."""

    def value(self, logits, target, context):
        each, counted = self.entropies(logits, target, context)
        wanted = counted * (target[:, 0] > 0)
        return context.world.sum((each * counted).sum()) / context.world.sum(wanted.sum())


class Detached(Sound):
    def value(self, logits, target, context):
        return super().value(logits, target, context).detach() + 0 * logits.sum()


class InPlace(Sound):
    def entropies(self, logits, target, context):
        with torch.no_grad():
            logits.add_(0.5)
        return super().entropies(logits, target, context)


class ForgetsOthers(Sound):
    """Averages over its own part of the batch."""

    def value(self, logits, target, context):
        each, counted = self.entropies(logits, target, context)
        return (each * counted).sum() / counted.sum().clamp_min(1)


class NoRegions(Sound):
    def bind(self, context):
        if context.labels.has_regions:
            raise NnplugError("this loss has no regions")
        return super().bind(context)
