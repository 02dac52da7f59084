"""The checks of `nnplug.contracts.Architecture`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

from nnplug.contracts import Architecture, HeadedArchitecture, PatchArchitecture, Topology
from nnplug.errors import NnplugError
from nnplug.registry.entries import ArchitectureComponent
from nnplug.testing import samples
from nnplug.testing.check import Checks, ContractBroken, NotChecked, Subject, imports_no_torch, require

if TYPE_CHECKING:
    import torch

OUTPUTS = 3
SIZE = 16
ODD = 17
"""A size that no stride divides."""
TRIES = 3
"""The number of forward and backward passes: a layer that is dropped at random is in only some of them."""
ROUNDING = 1e-4
"""The largest accepted difference of logits, as a share of the largest logit."""


def _builds(subject: Subject, axes: int) -> None:
    import torch

    network = _build(_architecture(subject, axes))
    patch = (SIZE,) * axes
    keys = list(network.train().state_dict())
    _check_logits(network(torch.zeros(2, samples.CHANNELS, *patch)), patch)
    _check_evaluation(network, patch)
    require(list(network.state_dict()) == keys, "training and evaluation mode have different state dicts")


def _check_logits(logits: Any, patch: tuple[int, ...]) -> None:
    require(isinstance(logits, (list, tuple)) and logits, "training mode gave no list of logits")
    shapes = [tuple(one.shape) for one in logits]
    require(shapes[0] == (2, OUTPUTS, *patch), f"the first logits have shape {shapes[0]}, not {(2, OUTPUTS, *patch)}")
    for fine, coarse in pairwise(shapes):
        falls = fine[:2] == coarse[:2] and fine != coarse and all(f >= c for f, c in zip(fine, coarse, strict=True))
        require(falls, f"logits of shape {coarse} follow those of {fine}; they must go from fine to coarse")


def _check_evaluation(network: torch.nn.Module, patch: tuple[int, ...]) -> None:
    import torch

    with torch.no_grad():
        logits = network.eval()(torch.zeros(2, samples.CHANNELS, *patch))
    require(isinstance(logits, torch.Tensor), f"evaluation mode gave {type(logits).__name__} instead of one tensor")
    expected = (2, OUTPUTS, *patch)
    require(tuple(logits.shape) == expected, f"evaluation mode gave shape {tuple(logits.shape)}, not {expected}")


def _splits(subject: Subject) -> None:
    """Raise unless the two parts from `split_head` compute the same as the whole network."""
    import torch

    if not _component(subject).has_linear_head:
        raise NotChecked("it offers no split_head")
    architecture = cast("HeadedArchitecture", _architecture(subject, 3))
    network = _build(architecture).eval()
    image = torch.randn(1, samples.CHANNELS, *(SIZE,) * 3, generator=torch.Generator().manual_seed(0))
    features, last = architecture.split_head(network)
    head = cast("torch.nn.Conv3d", last)  # a wrong kernel size is refused below
    shape = tuple(head.weight.shape)
    require(shape[:1] == (OUTPUTS,) and set(shape[2:]) == {1}, f"the weight of split_head's layer has shape {shape}")
    with torch.no_grad():
        expected = network(image)
        error = float((head(features(image)) - expected).abs().max() / expected.abs().max())
    require(error < ROUNDING, f"split_head changes logits by {error:.1g} of the largest; rounding is {ROUNDING:g}")


def _learns_everywhere(subject: Subject, axes: int) -> None:
    """Raise unless gradients of all outputs reach all parameters; a parameter without a gradient is never trained."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = _build(_architecture(subject, axes)).train()
        _move(network)
        image = torch.randn(2, samples.CHANNELS, *(SIZE,) * axes, requires_grad=True)
        for _ in range(TRIES):
            outputs = network(image)
            scales = [outputs] if isinstance(outputs, torch.Tensor) else outputs
            total = torch.stack([(logits * torch.randn_like(logits)).sum() for logits in scales]).sum()
            torch.autograd.backward(total)
    learnt = {name: p.grad for name, p in network.named_parameters() if p.requires_grad}
    lost = [name for name, gradient in learnt.items() if gradient is None or not _reaches(gradient)]
    require(not lost, f"in training mode no gradient reaches {_few(lost)}")
    assert image.grad is not None
    unseen = [channel for channel in range(samples.CHANNELS) if not image.grad[:, channel].any()]
    require(not unseen, f"the logits do not depend on the channels {unseen} of the image")


def _move(network: torch.nn.Module) -> None:
    """Change all parameters a little, because a layer that starts at 0 passes no gradient."""
    import torch

    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))


def _reaches(gradient: torch.Tensor) -> bool:
    """Return whether a gradient arrives. For vectors it may be 0, as for a bias before a norm."""
    return gradient.ndim < 2 or bool(gradient.any())


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more parameters" if len(names) > 3 else "")


def _is_seeded(subject: Subject) -> None:
    import torch

    states = []
    for _ in range(2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            states.append(_build(_architecture(subject, 3)).state_dict())
    equal = all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    require(equal, "the same seed of torch's generator gave different initial weights")


def _counts(subject: Subject) -> None:
    architecture = _architecture(subject, 3)
    sizes = (SIZE, 2 * SIZE)
    counts = [architecture.feature_map_elements((n,) * 3, channels=samples.CHANNELS, heads=OUTPUTS) for n in sizes]
    for count in counts:
        require(type(count) is int and count > 0, f"feature_map_elements is {count!r}; it must be a positive int")
    require(counts[0] < counts[1], f"feature_map_elements does not grow with the patch: {counts}")


def _refuses(subject: Subject) -> None:
    """Raise unless `check_patch` accepts a patch that fits, and refuses patches that the network cannot take."""
    architecture = _architecture(subject, 3)
    architecture.check_patch((SIZE,) * 3)
    require(_is_refused(architecture, (SIZE,) * 2), "check_patch lets a patch of 2 axes into a 3D network")
    if not _is_refused(architecture, (ODD,) * 3):
        try:
            _check_evaluation(_build(architecture), (ODD,) * 3)
        except Exception as error:
            message = f"check_patch lets a patch of {ODD} voxels pass that the network cannot take"
            raise ContractBroken(message) from error


def _is_refused(architecture: Architecture, patch_size: Sequence[int]) -> bool:
    try:
        architecture.check_patch(patch_size)
    except NnplugError:
        return True
    return False


def _architecture(subject: Subject, axes: int) -> Architecture:
    network, given = subject.entry.load(), _geometry(axes)
    if _component(subject).takes_topology:
        said, options = "options_for", dict(network.options_for(given))
    else:
        said, options = "options_for_patch", dict(network.options_for_patch(_largest_patch(network, axes)))
    require(json.loads(json.dumps(options)) == options, f"{said} gave {options}, which JSON does not hold")
    architecture: Architecture = subject.create(**options)
    return architecture


def _largest_patch(network: type[PatchArchitecture], axes: int) -> Sequence[int]:
    """Return the largest patch within `SIZE` per axis.

    Raises:
        NotChecked: the network takes volumes alone, and there are 2 axes.
    """
    try:
        return network.largest_patch((SIZE,) * axes)
    except NnplugError as error:
        if axes == 2:
            raise NotChecked(f"it takes volumes alone: {error}") from error
        raise


def _geometry(axes: int) -> Topology:
    return Topology(
        strides=((1,) * axes, (2,) * axes, (2,) * axes),
        kernel_sizes=((3,) * axes,) * 3,
        features_per_stage=(4, 8, 8),
    )


def _component(subject: Subject) -> ArchitectureComponent:
    component = subject.entry.component
    assert isinstance(component, ArchitectureComponent)  # the kit chooses checks by kind
    return component


def _build(architecture: Architecture) -> torch.nn.Module:
    return architecture.build(channels=samples.CHANNELS, outputs=OUTPUTS)


CHECKS: Checks = {
    "imports no torch": imports_no_torch,
    "builds a 3D network": partial(_builds, axes=3),
    "builds a 2D network": partial(_builds, axes=2),
    "sends gradients to all parameters of a 3D network": partial(_learns_everywhere, axes=3),
    "sends gradients to all parameters of a 2D network": partial(_learns_everywhere, axes=2),
    "predicts the same with its last layer apart": _splits,
    "is initialised by torch's seed": _is_seeded,
    "counts its feature maps": _counts,
    "refuses patches that it cannot take": _refuses,
}
