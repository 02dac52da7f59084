"""Biases of the last layers from class frequencies, so that a training begins with their probabilities.

As in Lin and others 2017 (arXiv 1708.02002, section 4.1), with the frequencies of each class instead of one constant.
"""

from __future__ import annotations

from math import ceil

import numpy as np
import torch
from torch import Tensor, nn

from nnplug.contracts import Sampling, TrainingTask
from nnplug.dataset.labels import Labels
from nnplug.runtime.seeds import generator
from nnplug_nnunet.training.patches.sampling import draw_box, with_slice_axis
from nnplug_nnunet.training.patches.source import Stream

PATCHES = 64
"""The least number of patches that frequencies are counted in."""
LEAST = 1e-3
"""The least frequency: at a smaller probability the Dice has hardly a gradient, so that a class would stay hidden."""

_LAYERS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def begin_with_frequencies(task: TrainingTask, network: nn.Module, sampling: Sampling) -> None:
    """Set the biases of the layers that give logits, at all resolutions; give a notice if there are none.

    Args:
        task: the training.
        network: on its device, in any mode.
        sampling: the places of the training's patches.
    """
    channels = task.cases[task.training[0]].image.shape[0] + len(task.previous_labels)
    image = torch.zeros((1, channels, *task.configuration.patch_size), device=task.device)
    biases = logit_biases(network, image)
    if not biases:
        task.progress.notice(
            f"{task.run.path}: class_bias has no effect: no convolution with a bias gives the logits of the network"
        )
    bias = bias_of(frequencies(task, sampling), task.labels)
    with torch.no_grad():
        for own in biases:
            own.copy_(bias)


def frequencies(task: TrainingTask, sampling: Sampling) -> Tensor:
    """Return the share of voxels of each class or region, (K,), in the first patches of a training.

    K are the channels of the logits. Voxels outside a case are background; those with the ignore label do not count.
    """
    batch, size = task.configuration.batch_size, with_slice_axis(task.configuration.patch_size)
    outputs = _values_of_outputs(task.labels)
    counts, total = np.zeros(len(outputs)), 0
    for number in range(ceil(PATCHES / batch) * batch):
        iteration, sample = divmod(number, batch)
        rng = generator(task.seed, Stream.TRAINING, 0, iteration, sample)
        place = sampling.draw(sample, rng)
        stored = task.cases[place.case].label
        box = draw_box(stored.shape, place.centre, size=size, network_size=size, rng=rng)
        ends = (min(start + length, whole) for start, length, whole in zip(box.start, size, stored.shape, strict=True))
        inside = tuple(slice(max(start, 0), max(end, 0)) for start, end in zip(box.start, ends, strict=True))
        label = np.zeros(size, np.int16)
        cut = np.maximum(stored[inside], 0)
        label[tuple(slice(0, length) for length in cut.shape)] = cut
        counts += [np.isin(label, values).sum() for values in outputs]
        total += label.size - (0 if task.labels.ignore is None else int((label == task.labels.ignore).sum()))
    return torch.from_numpy(counts / max(total, 1))


def bias_of(shares: Tensor, labels: Labels) -> Tensor:
    """Return the logits (K,), float32, whose softmax, or for regions sigmoid, is the frequency `shares` (K,).

    Frequencies below `LEAST` count as that, regions above 1 - `LEAST` too.
    """
    bounded = shares.clamp(LEAST, 1 - LEAST)
    return (bounded.logit() if labels.has_regions else bounded.log()).float()


def logit_biases(network: nn.Module, image: Tensor) -> list[nn.Parameter]:
    """Return the biases of the convolutions that give the network's logits, from fine to coarse.

    The network computes an image once in training mode; buffers, such as statistics of norms, and its mode stay.

    Args:
        network: on the device of `image`.
        image: (1, channels, *patch).
    """
    given: dict[int, tuple[Tensor, nn.Parameter]] = {}  # the tensors too: an id is free again when they are deleted

    def note(layer: nn.Module, _inputs: object, output: Tensor) -> None:
        if isinstance(layer.bias, nn.Parameter):
            given[id(output)] = (output, layer.bias)

    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    mode = network.training
    hooks = [layer.register_forward_hook(note) for layer in network.modules() if isinstance(layer, _LAYERS)]
    try:
        with torch.no_grad():
            outputs = network.train()(image)
    finally:
        for hook in hooks:
            hook.remove()
        network.train(mode)
    with torch.no_grad():
        for name, buffer in network.named_buffers():
            buffer.copy_(buffers[name])
    scales = [outputs] if isinstance(outputs, Tensor) else outputs
    return [given[id(logits)][1] for logits in scales if id(logits) in given]


def _values_of_outputs(labels: Labels) -> tuple[tuple[int, ...], ...]:
    """Return the label values of each channel of the logits."""
    return labels.foreground if labels.has_regions else tuple((value,) for value in labels.all_values)
