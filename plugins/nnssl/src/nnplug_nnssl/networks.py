"""The networks of nnssl's checkpoints as architectures of nnplug."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nnplug.errors import InvalidFile
from nnplug.plans.plans import Choice
from nnplug_nnssl.checkpoint import PLAN, Pretraining, Size
from nnplug_nnunet.nnunet_models.networks import network_from_nnunet
from nnplug_nnunet.nnunet_models.primus import NAME as PRIMUS
from nnplug_nnunet.nnunet_models.primus import trained_network
from nnplug_nnunet.nnunet_models.vocabulary import NETWORKS, PLAIN, RESIDUAL
from nnplug_nnunet.primus_extent import SIZES

RES_ENC_L = "ResEncL"
"""nnssl's name of a residual encoder with fixed options, which a checkpoint does not repeat."""

_RES_ENC_L: Mapping[str, Any] = {
    "n_stages": 6,
    "features_per_stage": [32, 64, 128, 256, 320, 320],
    "kernel_sizes": [[3, 3, 3]] * 6,
    "strides": [[1, 1, 1], *[[2, 2, 2]] * 5],
    "n_blocks_per_stage": [1, 3, 4, 6, 6, 6],
    "n_conv_per_stage_decoder": [1] * 5,
}
_CLASSES = {name.rpartition(".")[2]: name for name in (PLAIN, RESIDUAL)}


@dataclass(frozen=True)
class Parts:
    """The places of the pre-trained parts in a network of nnplug.

    Attributes:
        encoder: the module of the encoder.
        stem: the module that takes the image; it can be inside the encoder.
        projection: the weight that is applied to the image's channels.
        positions: the parameter of learnt positions, (1, tokens, features); None without.
    """

    encoder: str
    stem: str
    projection: str
    positions: str | None = None


PARTS: Mapping[str, Parts] = {
    NETWORKS[RESIDUAL]: Parts("encoder.stages", "encoder.stem", "encoder.stem.convs.0.conv.weight"),
    NETWORKS[PLAIN]: Parts("encoder.stages", "encoder.stages.0", "encoder.stages.0.0.convs.0.conv.weight"),
    PRIMUS: Parts("eva", "down_projection", "down_projection.proj.weight", "eva.pos_embed"),
}
"""Architecture -> the places of its parts."""


def network_for(pretraining: Pretraining, patch_size: Size) -> Choice:
    """Return the network of a checkpoint for a patch.

    Raises:
        InvalidFile: nnplug lacks the network; the message names it.
    """
    own, where = pretraining.plan.architecture_plans, f"{pretraining.path}: {PLAN}"
    name = own.arch_class_name.rpartition(".")[2]
    if name.startswith("Primus"):
        return _primus(pretraining, patch_size, name)
    if name == RES_ENC_L and not own.arch_kwargs:
        return Choice(name=NETWORKS[RESIDUAL], options=dict(_RES_ENC_L))
    if name in _CLASSES and own.arch_kwargs:
        described = {"network_class_name": _CLASSES[name], "arch_kwargs": own.arch_kwargs}
        return network_from_nnunet({"architecture": described}, where)
    without = "" if own.arch_kwargs else " without arch_kwargs"
    raise InvalidFile(
        f"{where}: the network is {own.arch_class_name!r}{without}; nnplug has {RES_ENC_L}, "
        f"{', '.join(f'Primus{size}' for size in SIZES)}, and {' and '.join(_CLASSES)} with their options"
    )


def parts_of(architecture: str) -> Parts:
    """Return the places of the parts of an architecture.

    Raises:
        InvalidFile: checkpoints of nnssl have no such network.
    """
    if architecture not in PARTS:
        raise InvalidFile(f"architecture {architecture!r}: nnssl's checkpoints are for {', '.join(PARTS)}")
    return PARTS[architecture]


def _primus(pretraining: Pretraining, patch_size: Size, name: str) -> Choice:
    """Return the Primus by the size of its weights, with which its name has to agree."""
    plan, where = pretraining.plan, f"{pretraining.path}: {PLAN}"
    places = {plan.key_to_lpe: "eva.pos_embed", f"{_first(plan.keys_to_in_proj)}.weight": PARTS[PRIMUS].projection}
    known = {places[key]: one for key, one in pretraining.weights.items() if key in places}
    found = trained_network(known, patch_size, str(pretraining.path))
    if found is None:
        raise InvalidFile(f"{where}: key_to_lpe is {plan.key_to_lpe!r}, which {name} does not hold in its weights")
    size = name.removeprefix("Primus")
    if size in SIZES and found.options["size"] != size:
        raise InvalidFile(f"{where}: the network is {name}, but the weights are those of Primus{found.options['size']}")
    return found


def _first(keys: tuple[str, ...]) -> str:
    return keys[0] if keys else ""
