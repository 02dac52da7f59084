"""Ask dynamic_network_architectures 0.4.4, as nnunetv2 2.8.1 uses it, for parameter names and logits of Primus.

Run it with a Python that has nnunetv2: `ORACLE/bin/python bench/oracle/primus.py`. It writes
tests/plugins/nnunet/golden/primus.npz; the tests make weights and input again from the same seeds.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

if "+cpu" in torch.__version__:  # timm imports torchvision, whose operators may not load beside this PyTorch
    _ops = ("nms", "qnms", "roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "deform_conv2d")
    for _op in (*_ops, *(f"_{one}_backward" for one in _ops)):
        torch.library.define(f"torchvision::{_op}", "(Tensor x) -> Tensor")

from dynamic_network_architectures.architectures.primus import Primus

GOLDEN = Path(__file__).parents[2] / "tests/plugins/nnunet/golden/primus.npz"
SIZES = {"S": (396, 12, 6), "B": (792, 12, 12), "M": (864, 16, 12), "L": (1056, 24, 16)}
CHANNELS, PATCH, EVERY = 2, (16, 24, 8), 23
OUTPUTS = {"S": 3, "B": 2, "M": 14, "L": 120}


def build(size: str) -> Primus:
    """As nnUNet_Primus_S_Trainer and the like build it."""
    width, depth, heads = SIZES[size]
    options: dict[str, Any] = {"drop_path_rate": 0.2, "scale_attn_inner": True, "init_values": 0.1}
    return Primus(CHANNELS, width, (8, 8, 8), OUTPUTS[size], depth, heads, PATCH, **options)


def values(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The same in tests/plugins/nnunet/test_primus.py."""
    draw = np.random.RandomState(zlib.crc32(name.encode()))
    return torch.from_numpy(np.asarray(draw.normal(0, 0.05, shape), np.float32))


def image() -> torch.Tensor:
    """Two samples."""
    return torch.from_numpy(np.random.RandomState(0).normal(size=(2, CHANNELS, *PATCH)).astype(np.float32))


def logits() -> dict[str, np.ndarray]:
    """The logits of one size in both modes, and a gradient."""
    network = build("S")
    network.load_state_dict({name: values(name, tuple(one.shape)) for name, one in network.state_dict().items()})
    with torch.no_grad():
        found = {"evaluated": network.eval()(image())}
        torch.manual_seed(3)
        found["trained"] = network.train()(image())
    return {name: one.flatten()[::EVERY].numpy() for name, one in found.items()}


def fresh() -> dict[str, list[float]]:
    """Mean and standard deviation of the fresh weights of some layers."""
    torch.manual_seed(0)
    names = ("eva.pos_embed", "eva.blocks.0.attn.q_proj.weight", "eva.blocks.5.attn.proj.weight")
    more = ("eva.blocks.11.mlp.fc2.weight", "down_projection.proj.weight", "up_projection.decode.0.0.weight")
    rest = ("eva.blocks.3.gamma_1", "eva.blocks.3.mlp.fc1_g.bias", "up_projection.decode.2.bias", "mask_token")
    state = build("S").state_dict()
    return {name: [float(state[name].mean()), float(state[name].std())] for name in (*names, *more, *rest)}


def shapes(size: str) -> dict[str, list[int]]:
    """Parameter name -> shape."""
    with torch.device("meta"):
        network = build(size)
    return {name: list(tensor.shape) for name, tensor in network.state_dict().items()}


if __name__ == "__main__":
    named = zlib.compress(json.dumps({"shapes": {size: shapes(size) for size in SIZES}, "fresh": fresh()}).encode(), 9)
    np.savez_compressed(GOLDEN, named=np.frombuffer(named, np.uint8), **logits())
