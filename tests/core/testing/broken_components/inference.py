"""A sound inference, and inferences that break one promise each."""

from __future__ import annotations

import torch

from nnplug.ops.sliding_window import mirrored_mean


class Sound:
    """Predicts slice by slice in 2D, and the whole image in 3D."""

    def passes(self, shape, context):
        return shape[0] if len(context.patch_size) == 2 else 1

    def logits(self, network, image, context, report):
        inputs = image.movedim(1, 0) if len(context.patch_size) == 2 else image[None]
        outputs = []
        for one in inputs:
            outputs.append(self.mean(network, one[None].clone(), context))
            report()
        logits = torch.cat(outputs)
        return self.placed(logits.movedim(0, 1).contiguous() if len(context.patch_size) == 2 else logits[0])

    def mean(self, network, batch, context):
        return mirrored_mean(network, batch, context.mirror_axes)

    def placed(self, logits):
        return logits


class Unmirrored(Sound):
    """Saves the time of mirror images."""

    def mean(self, network, batch, context):
        return mirrored_mean(network, batch, ())


class NotMirroredBack(Sound):
    def mean(self, network, batch, context):
        flips = [[], [axis + 2 for axis in context.mirror_axes]]
        return sum(network(batch.flip(axes)) for axes in flips) / 2


class Moves(Sound):
    """Puts logits a few voxels beside their place."""

    def placed(self, logits):
        return logits.roll((2, 3), dims=(-2, -1))


class Half(Sound):
    def placed(self, logits):
        return logits.half()


class Silent(Sound):
    def logits(self, network, image, context, report):
        return super().logits(network, image, context, lambda: None)


class Noisy(Sound):
    def placed(self, logits):
        return logits + 0.01 * torch.rand(()).item()


class InPlace(Sound):
    """Normalises its argument."""

    def logits(self, network, image, context, report):
        logits = super().logits(network, image, context, report)
        image.sub_(image.mean())
        return logits


class OtherSlabs(Sound):
    """Forgets to average the networks."""

    def slabs(self, networks, image, channels, context, report):
        for network in networks:
            logits = self.logits(network, image, context, report)
        yield logits
