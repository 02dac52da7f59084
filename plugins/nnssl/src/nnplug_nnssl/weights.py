"""Adapt pre-trained weights to a network: channels of the image, positions of tokens, kernels and depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor
from torch.nn import functional

from nnplug.errors import InvalidFile
from nnplug_nnssl.checkpoint import PLAN, Pretraining, Size
from nnplug_nnssl.networks import Parts
from nnplug_nnunet.networks.names import from_nnunet

SHOWN = 3
"""The largest number of parameters that a message names."""

_EXTRA = "cls_token"
"""The parameter of a token for the whole image, which segmentation does not use."""

_DECODER = "decoder"


@dataclass(frozen=True)
class Target:
    """The network that weights are adapted to.

    Attributes:
        parts: the places of its parts.
        state: its parameters; only names and shapes are read.
        patch_size: its patch, voxels.
        exact: whether it is the network of the pre-training. If not, only the weights that fit are taken.
        decoder: whether the decoder's weights are taken, too.
        heads: the parameters whose shape depends on the number of outputs, which are never taken.
    """

    parts: Parts
    state: Mapping[str, Tensor]
    patch_size: Size
    exact: bool = True
    decoder: bool = False
    heads: frozenset[str] = frozenset()

    @property
    def channels(self) -> int:
        """The number of channels of the image."""
        return int(self.state[self.parts.projection].shape[1])

    @property
    def pretrained(self) -> frozenset[str]:
        """The names of the parameters of encoder and stem."""
        modules = (self.parts.encoder, self.parts.stem)
        return frozenset(name for name in self.state if any(_inside(name, module) for module in modules))


@dataclass(frozen=True)
class Adapted:
    """Weights with the names and shapes of the target.

    Attributes:
        weights: name -> tensor, float32.
        kernels: the parameters whose kernel was averaged.
        left_out: the pre-trained parameters that have no place in the target.
    """

    weights: Mapping[str, Tensor]
    kernels: tuple[str, ...]
    left_out: tuple[str, ...]


def adapt(pretraining: Pretraining, target: Target) -> Adapted:
    """Return the pre-trained weights of encoder and stem for another network.

    The rules are those of nnU-Net's fine-tuning (master of July 2026): the weight of the image's channel is repeated
    for every channel and divided by their number; positions are interpolated linearly along the three axes; a kernel of
    3 becomes one of 1 by its mean along that axis; stages and blocks that one of the networks lacks are left out.

    Raises:
        InvalidFile: a weight is missing, has no place or cannot be adapted; the message names it.
    """
    named = _renamed(pretraining, target)
    if target.parts.projection in named:
        named[target.parts.projection] = repeated(named[target.parts.projection], pretraining, target.channels)
    if (positions := target.parts.positions) is not None and positions in named:
        named[positions] = _resized(named[positions], named[target.parts.projection], pretraining, target)
    if target.exact:
        _check_exact(named, pretraining, target)
    weights: dict[str, Tensor] = {}
    kernels, left_out = [], []
    for name, found in named.items():
        own = target.state.get(name)
        if own is None or name in target.heads:
            left_out.append(name)
            continue
        fitted = fit_kernel(found, own.shape, f"{pretraining.path}: {name}")
        if fitted is None:
            left_out.append(name)
            continue
        weights[name] = fitted.float().contiguous()
        if fitted.shape != found.shape:
            kernels.append(name)
    if not weights.keys() & target.pretrained:
        raise InvalidFile(f"{pretraining.path}: none of its weights fits the network of the plans")
    return Adapted(weights, tuple(kernels), tuple(left_out))


def repeated(weight: Tensor, pretraining: Pretraining, channels: int) -> Tensor:
    """Return the weight (features, channels, *kernel) of the first layer for a number of channels.

    The weight of one channel is repeated and divided by the number of channels, so that an image of equal channels
    gives the features of one.

    Raises:
        InvalidFile: the pre-training had several channels, and another number than the image.
    """
    there = pretraining.plan.pretrain_num_input_channels
    if there != weight.shape[1]:
        raise InvalidFile(
            f"{pretraining.path}: {PLAN} has {there} input channels, but the first layer takes {weight.shape[1]}"
        )
    if there == channels:
        return weight
    if there != 1:
        raise InvalidFile(
            f"{pretraining.path}: the pre-training had {there} channels, dataset.json names {channels}. The weights of "
            "one channel alone can be repeated."
        )
    return weight.repeat(1, channels, *[1] * (weight.ndim - 2)) / channels


def interpolated(positions: Tensor, there: Size, here: Size) -> Tensor:
    """Return learnt positions (1, tokens, features) of one grid of tokens (z, y, x) for another grid."""
    volume = positions.float().transpose(1, 2).reshape(1, positions.shape[2], *there)
    resized = functional.interpolate(volume, size=here, mode="trilinear", align_corners=False)
    return resized.flatten(2).transpose(1, 2)


def fit_kernel(weight: Tensor, shape: torch.Size, where: str) -> Tensor | None:
    """Return a weight with the kernel of another shape (outputs, inputs, *kernel); None if other sizes differ.

    Along an axis where the kernel becomes 1 voxel, it is the mean.

    Raises:
        InvalidFile: a kernel becomes another size than 1.
    """
    if weight.shape == shape:
        return weight
    if weight.ndim != len(shape) or weight.ndim < 4 or weight.shape[:2] != shape[:2]:
        return None
    for axis in range(2, weight.ndim):
        if shape[axis] not in (1, weight.shape[axis]):
            raise InvalidFile(
                f"{where} has a kernel of {list(weight.shape[2:])} and the network of the plans {list(shape[2:])}; "
                "a kernel can only become 1 along an axis"
            )
    shrunk = [axis for axis in range(2, weight.ndim) if shape[axis] != weight.shape[axis]]
    return weight.mean(dim=shrunk, keepdim=True)


def _renamed(pretraining: Pretraining, target: Target) -> dict[str, Tensor]:
    """Return the weights of stem and encoder, and of the decoder if it is taken, by the target's names."""
    plan, parts = pretraining.plan, target.parts
    modules = [(plan.key_to_stem, parts.stem), (plan.key_to_encoder, parts.encoder)]
    modules += [(_DECODER, _DECODER)] if target.decoder else []
    named: dict[str, Tensor] = {}
    for name, weight in from_nnunet(pretraining.weights).items():
        place = next((here + name.removeprefix(there) for there, here in modules if _inside(name, there)), None)
        if name == plan.key_to_lpe and parts.positions is not None:
            place = parts.positions
        if name.removesuffix(".weight") in plan.keys_to_in_proj:
            place = parts.projection
        if place is not None and not place.endswith(f".{_EXTRA}"):
            named[place] = weight
    for key, module in (("key_to_encoder", plan.key_to_encoder), ("key_to_stem", plan.key_to_stem)):
        if not any(_inside(name, module) for name in pretraining.weights):
            raise InvalidFile(f"{pretraining.path}: has no weights below {module!r}, which {PLAN} names as {key}")
    if parts.projection not in named:
        raise InvalidFile(
            f"{pretraining.path}: has no weight of the first layer; {PLAN} names keys_to_in_proj "
            f"{', '.join(plan.keys_to_in_proj) or 'nothing'}"
        )
    return named


def _resized(positions: Tensor, projection: Tensor, pretraining: Pretraining, target: Target) -> Tensor:
    """Return the learnt positions for the target's patch; that of a class token, which comes first, is dropped."""
    token = projection.shape[2:]
    there, here = (_grid(patch, token) for patch in (pretraining.patch_size, target.patch_size))
    spare = positions.shape[1] - prod(there)
    has_class = any(name.endswith(_EXTRA) for name in pretraining.weights)
    if spare != (1 if has_class else 0):
        raise InvalidFile(
            f"{pretraining.path}: {pretraining.plan.key_to_lpe} has {positions.shape[1]} positions, a patch of "
            f"{list(pretraining.patch_size)} with tokens of {list(token)} has {prod(there)}"
        )
    return interpolated(positions[:, spare:], there, here)


def _grid(patch: Size, token: torch.Size) -> Size:
    z, y, x = (size // step for size, step in zip(patch, token, strict=True))
    return z, y, x


def _check_exact(named: Mapping[str, Tensor], pretraining: Pretraining, target: Target) -> None:
    if problems := list(_problems(named, target)):
        more = f" and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise InvalidFile(
            f"{pretraining.path}: does not hold the network that it names: {'; '.join(problems[:SHOWN])}{more}"
        )


def _problems(named: Mapping[str, Tensor], target: Target) -> Iterator[str]:
    wanted = target.pretrained
    for name in sorted({*wanted, *(name for name in named if not _inside(name, _DECODER))}):
        if name not in named:
            yield f"{name} is missing"
        elif name not in wanted:
            yield f"{name} has no place"
        elif named[name].shape != target.state[name].shape:
            yield f"{name} is {tuple(named[name].shape)} instead of {tuple(target.state[name].shape)}"


def _inside(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")
