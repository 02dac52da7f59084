"""Primus in nnU-Net v2's models: its trainers build it whatever network the plans name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from nnplug.errors import InvalidFile
from nnplug.plans.plans import Choice
from nnplug_nnunet.primus_extent import SIZES, TOKEN

NAME = "primus"
"""The component."""
CLASS = "dynamic_network_architectures.architectures.primus.Primus"
_POSITIONS, _TOKENS = "eva.pos_embed", "down_projection.proj.weight"


def trained_network(weights: Mapping[str, torch.Tensor], patch_size: Sequence[int], where: str) -> Choice | None:
    """Return the Primus that weights are for, or None if they are for another network.

    Args:
        weights: the state dict of a checkpoint.
        patch_size: of the trained configuration.
        where: the file for messages.

    Raises:
        InvalidFile: they are for a transformer that nnplug does not have.
    """
    if _POSITIONS not in weights:
        return None
    width = weights[_POSITIONS].shape[-1]
    names = [name for name, extent in SIZES.items() if extent.width == width]
    if _TOKENS not in weights or not names:
        stem = "a convolutional stem (PrimusV2 or V3)" if _TOKENS not in weights else f"{width} features per token"
        raise InvalidFile(f"{where}: trained a transformer with {stem}; nnplug has Primus {', '.join(SIZES)}")
    return Choice(name=NAME, options={"patch_size": list(patch_size), "size": names[0]})


def trainer_of(choice: Choice) -> str | None:
    """Return nnU-Net's trainer that builds a network of nnplug, or None if its plans name the network."""
    return f"nnUNet_Primus_{choice.options.get('size', 'S')}_Trainer" if choice.name == NAME else None


def to_nnunet(choice: Choice) -> dict[str, Any]:
    """Return the `architecture` of nnU-Net's plans for a Primus; its trainers do not read it."""
    extent = SIZES[choice.options.get("size", "S")]
    return {
        "network_class_name": CLASS,
        "arch_kwargs": {
            "embed_dim": extent.width,
            "patch_embed_size": [TOKEN] * 3,
            "eva_depth": extent.depth,
            "eva_numheads": extent.heads,
            "input_shape": list(choice.options["patch_size"]),
            "drop_path_rate": choice.options.get("drop_path", 0.2),
            "scale_attn_inner": True,
            "init_values": 0.1,
        },
        "_kw_requires_import": [],
    }


def from_nnunet(theirs: Mapping[str, Any], where: str) -> Choice:
    """Return the Primus that the `arch_kwargs` of nnU-Net's plans describe.

    Raises:
        InvalidFile: it has another size.
    """
    for name in SIZES:
        choice = Choice(name=NAME, options={"patch_size": list(theirs.get("input_shape", ())), "size": name})
        drop_path = theirs.get("drop_path_rate", 0.2)
        if {**to_nnunet(choice)["arch_kwargs"], "drop_path_rate": drop_path} == dict(theirs):
            return Choice(name=NAME, options={**choice.options, "drop_path": drop_path})
    raise InvalidFile(f"{where}: the network is a Primus of another size; nnplug has {', '.join(SIZES)}")
