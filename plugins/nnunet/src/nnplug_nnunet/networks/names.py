"""Parameter names in nnU-Net v2's state dicts and in nnplug's.

nnplug uses the same names, each tensor once. nnU-Net repeats some tensors: a convolution block also lists its layers
under `all_modules`, and the decoder holds the encoder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch

_DECODERS_ENCODER = "decoder.encoder."
_LAYER = re.compile(r"(.*)\.(conv|norm)\.(\w+)")
_END_OF_PATH = re.compile(r".*\.(conv2|skip\.\d)")


def from_nnunet(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the state dict with each tensor once, as in `UNet.state_dict`."""
    return {name: tensor for name, tensor in state.items() if not _is_alias(name)}


def to_nnunet(state: Mapping[str, torch.Tensor], *, dropout: bool = False) -> dict[str, torch.Tensor]:
    """Return the state dict with nnU-Net's repeated names, for its strict `load_state_dict`.

    Args:
        state: the state dict of a `UNet`.
        dropout: whether the network has dropout; dropout has a position in `all_modules`, except at the ends of
            residual blocks.
    """
    both: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        both[name] = tensor
        if match := _LAYER.fullmatch(name):
            block, layer, parameter = match.groups()
            position = 0 if layer == "conv" else 2 if dropout and not _END_OF_PATH.fullmatch(block) else 1
            both[f"{block}.all_modules.{position}.{parameter}"] = tensor
    encoder = {f"decoder.{name}": tensor for name, tensor in both.items() if name.startswith("encoder.")}
    return both | encoder


def drop_aliases(_module: torch.nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Remove nnU-Net's repeated names below `prefix`; a load-state-dict pre-hook."""
    for name in [n for n in state if n.startswith(prefix) and _is_alias(n.removeprefix(prefix))]:
        del state[name]


def _is_alias(name: str) -> bool:
    return name.startswith(_DECODERS_ENCODER) or ".all_modules." in name
