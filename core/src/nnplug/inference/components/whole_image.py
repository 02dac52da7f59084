"""`whole-image`: the image in one pass through the network, without windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, prod

import torch

from nnplug.contracts import Inference, InferenceContext
from nnplug.errors import ComponentFailed, NnplugError, within, without_remedy
from nnplug.ops.sliding_window import Network, in_batches, mirrored_mean, pad_to_patch
from nnplug.remedies import Action
from nnplug.runtime.device_memory import lacks_memory
from nnplug.words import by_axis


@dataclass(frozen=True)
class WholeImageInference(Inference):
    """Predict the whole image at once, in 2d each slice.

    The image is padded with zeros, on both sides, to the smallest size that the network takes: a U-Net takes multiples
    of its strides. The network sees more context than in training, and needs memory for its feature maps of the whole
    image. Mirror images are averaged as in the default inference.
    """

    def passes(self, shape: Sequence[int], context: InferenceContext) -> int:
        """Return the number of inputs: 1, and in 2d the number of batches of slices."""
        if len(context.patch_size) == len(shape):
            return 1
        return ceil(shape[0] / self._at_once(shape, context))

    def logits(
        self, network: Network, image: torch.Tensor, context: InferenceContext, report: Callable[[], None]
    ) -> torch.Tensor:
        """See `nnplug.contracts.Inference`.

        Raises:
            NnplugError: the network takes no image of this size, or the device has too little memory.
        """
        shape, axes = image.shape[1:], len(context.patch_size)
        padded, inside = pad_to_patch(image, _taken_size(shape[-axes:], context))
        inputs = padded[None] if axes == 3 else padded.movedim(1, 0)
        device = context.device_for((len(image) + 2 * context.outputs) * prod(shape))
        logits = torch.empty((context.outputs, *shape), device=device)
        slices = list(in_batches(range(len(inputs)), self._at_once(shape, context)))
        for chosen in slices:
            batch = inputs[chosen[0] : chosen[-1] + 1].to(context.device)
            mean = _predicted(network, batch, context)
            if axes == 3:
                logits.copy_(mean[0][:, *inside])
            else:
                logits[:, chosen[0] : chosen[-1] + 1] = mean.movedim(0, 1)[:, :, *inside[1:]].to(device)
            report()
        return logits

    def _at_once(self, shape: Sequence[int], context: InferenceContext) -> int:
        """Return the number of slices of one pass: those with the voxels of a batch in training, at least 1."""
        if len(context.patch_size) == len(shape):
            return 1
        size = _taken_size(shape[1:], context)
        return max(1, context.batch_size * prod(context.patch_size) // prod(size))


def _predicted(network: Network, batch: torch.Tensor, context: InferenceContext) -> torch.Tensor:
    """Return the mean logits (B, K, *size) of a batch and its mirror images."""
    size = tuple(batch.shape[2:])
    try:
        mean = mirrored_mean(network, batch, context.mirror_axes)
    except (ComponentFailed, RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and not lacks_memory(error):
            raise
        cause = without_remedy(error.lines[0]) if isinstance(error, NnplugError) else "the device has too little memory"
        raise NnplugError(
            within(f"an image of {by_axis(size)} voxels in one pass: ", cause), Action.PREDICT_IN_WINDOWS()
        ) from error
    expected = (len(batch), context.outputs, *size)
    if mean.shape != expected:
        raise NnplugError(
            f"an image of {by_axis(size)} voxels in one pass: the network gave logits of shape {tuple(mean.shape)}, "
            f"expected {expected}",
            Action.PREDICT_IN_WINDOWS(),
        )
    return mean


def _taken_size(shape: Sequence[int], context: InferenceContext) -> tuple[int, ...]:
    """Return the smallest size, at least the shape, that the network takes.

    Each axis is tried by itself, with the patch size along the others, up to a whole number of patches. If the network
    does not take the smallest lengths of all axes together, whole numbers of patches are tried.

    Raises:
        NnplugError: the network takes no such size.
    """
    size = tuple(_taken_length(axis, length, context) for axis, length in enumerate(shape))
    if _refusal(size, context) is None:
        return size
    patches = tuple(ceil(length / patch) * patch for length, patch in zip(shape, context.patch_size, strict=True))
    if error := _refusal(patches, context):
        cause = within(f"an image of {by_axis(shape)} voxels in one pass: ", without_remedy(error.lines[0]))
        raise NnplugError(cause, Action.PREDICT_IN_WINDOWS()) from error
    return patches


def _taken_length(axis: int, length: int, context: InferenceContext) -> int:
    patch = context.patch_size
    most = ceil(length / patch[axis]) * patch[axis]
    sizes = ((n, (*patch[:axis], n, *patch[axis + 1 :])) for n in range(length, most))
    return next((n for n, size in sizes if _refusal(size, context) is None), most)


def _refusal(size: tuple[int, ...], context: InferenceContext) -> NnplugError | None:
    """Return the error with which the network refuses a size, or None if it takes it."""
    try:
        context.check_size(size)
    except NnplugError as error:
        return error
    return None
