"""Count the memory of the prediction of one image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from nnplug.contracts import InferenceContext
from nnplug.contracts.attributed.inference import AttributedInference
from nnplug.contracts.capabilities import slabbed
from nnplug.contracts.kinds import INFERENCE
from nnplug.inference.fitting.batch_size import fitting_windows
from nnplug.inference.member import EXPORT_BYTES
from nnplug.models.fold_networks import FoldNetworks
from nnplug.models.network import MemberNetwork
from nnplug.models.open import Member
from nnplug.preparation.planned import planned_component
from nnplug.profiling.memory.counting import PLACE, counted_memory
from nnplug.registry.components import Registry
from nnplug.runtime.progress import Silent

_WEIGHTS = Path("no weights")
_BANDS = 5
"""Bands of logits that the way back to the image's grid holds, counted on the pretended GPU of `tests/gpu`."""


def count_prediction(
    member: Member, components: Registry, device: torch.device, *, free: int | None
) -> tuple[int, int]:
    """Return the bytes of tensors on a device at most while an image of the median shape is predicted.

    The image and the sums of its windows are on the device. If they are more than the device holds, prediction puts
    them on the CPU, see `nnplug.contracts.InferenceContext.device_for`.

    Args:
        member: plans and configuration; its weights are not read.
        components: architecture and inference; accelerators are not tried.
        device: the device, which may not be here.
        free: the bytes of the device; None for one window at a time.

    Returns:
        The bytes, and the number of windows and mirror images per pass.
    """
    with counted_memory() as memory:
        network = _WeightlessNetwork(member, components, device, Silent(), place=PLACE)
        configuration, outputs = member.plans.configuration(member.configuration), member.description.labels.outputs
        channels = len(member.description.channel_names) + bool(configuration.previous_stage)
        windows = 1
        if free is not None:
            before = memory.now
            window = torch.zeros((1, channels, *configuration.patch_size))
            peak = memory.peak_of(lambda: network.trial(window)) - before
            windows = fitting_windows(configuration, outputs=outputs, peak=peak, free=free - before)
            del window
        context = InferenceContext(
            patch_size=tuple(configuration.patch_size),
            batch_size=windows,
            mirror_axes=member.mirror_axes,
            outputs=outputs,
            device=PLACE,
            sums_on_device=True,
            check_size=network.check_size,
        )
        image = torch.zeros((channels, *_median_shape(configuration.median_shape)))
        work = _prediction(member, components, context, network, image)
        return memory.peak_of(work), windows


class _WeightlessNetwork(MemberNetwork):
    """The network of a member whose weights are not read. It is built where it computes."""

    def _move(self, module: torch.nn.Module) -> None:
        """Leave the network where it is: PyTorch cannot move parameters without numbers."""

    def folds(self, build: Callable[[], torch.nn.Module]) -> FoldNetworks:
        """See `MemberNetwork`."""
        return _Unloaded((), self._device, build)


class _Unloaded(FoldNetworks):
    def _load(self, network: torch.nn.Module, weights: Path, *, keep: bool) -> None:
        """Leave the weights as they are."""


def _prediction(
    member: Member, components: Registry, context: InferenceContext, network: MemberNetwork, image: torch.Tensor
) -> Callable[[], object]:
    """Return the prediction of an image, as `LoadedMember` does it, with the memory of its way back to the image."""
    entry, choice = planned_component(INFERENCE, member.plans, components)
    made = entry.create(choice.options)
    inference = AttributedInference(made, slabbed(entry, made), context)
    if len(context.patch_size) < 3 or inference.slabbed is None:
        return lambda: inference.logits(lambda windows: network(_WEIGHTS, windows), image, _ignored)
    averaged = network.averages((_WEIGHTS,))

    def work() -> None:
        bands: list[torch.Tensor] = []  # those of a slab are in memory while the next one is predicted
        for slab in inference.slabs(averaged.networks, image, averaged.channels, _ignored):
            bands.clear()
            rows = max(1, EXPORT_BYTES // (context.outputs * slab[0, 0].numel() * slab.element_size()))
            for part in torch.split(slab, rows, dim=1):
                logits = averaged.to_logits(part)
                bands = bands or [torch.empty_like(logits) for _ in range(_BANDS)]  # the first part is the largest
                del logits

    return work


def _median_shape(shape: Sequence[float]) -> tuple[int, int, int]:
    """Return the shape (z, y, x) of a median image; one slice in 2d."""
    *first, y, x = (max(1, round(n)) for n in shape)
    return (first[0] if first else 1), y, x


def _ignored() -> None:
    """Ignore a report of progress."""
