"""Ask dynamic_network_architectures 0.4.4, as nnunetv2 2.8.1 uses it, for parameter names, logits and element counts.

Run it with a Python that has nnunetv2: `ORACLE/bin/python bench/oracle/networks.py`. It writes
tests/plugins/nnunet/golden/networks.npz; the tests make weights and input again from the same seeds.
"""

import json
import zlib
from pathlib import Path

import numpy as np
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from torch import nn

GOLDEN = Path(__file__).parents[2] / "tests/plugins/nnunet/golden/networks.npz"
CLASSES = {"plain-conv-unet": PlainConvUNet, "residual-encoder-unet": ResidualEncoderUNet}
CHANNELS, OUTPUTS = 2, 3
EVERY = 23  # of the logits are kept: enough to see any difference

PLANE = {
    "n_stages": 4,
    "features_per_stage": [4, 8, 12, 12],
    "kernel_sizes": [[3, 3]] * 4,
    "strides": [[1, 1], [2, 2], [2, 1], [2, 2]],
}
VOLUME = {
    **PLANE,
    "kernel_sizes": [[1, 3, 3], [1, 3, 3], [3, 3, 3], [3, 3, 3]],
    "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2], [2, 2, 1]],
}
CUBE = {**PLANE, "kernel_sizes": [[3, 3, 3]] * 4, "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2], [2, 1, 2]]}
PLAIN = {"n_conv_per_stage": [2, 1, 2, 3], "n_conv_per_stage_decoder": [2, 1, 2]}
RESIDUAL = {"n_blocks_per_stage": [1, 3, 2, 2], "n_conv_per_stage_decoder": [1, 2, 1]}
CASES = [
    ("plain-conv-unet", (24, 16), {**PLANE, **PLAIN}),
    ("plain-conv-unet", (8, 16, 24), {**VOLUME, **PLAIN}),
    ("plain-conv-unet", (16, 16, 16), {**CUBE, **PLAIN, "norm": "batch", "dropout": 0.25}),
    ("residual-encoder-unet", (24, 16), {**PLANE, **RESIDUAL}),
    ("residual-encoder-unet", (8, 16, 24), {**VOLUME, **RESIDUAL}),
    ("residual-encoder-unet", (16, 16, 16), {**CUBE, **RESIDUAL, "norm": "batch", "dropout": 0.25}),
]


def build(name: str, options: dict, *, deep_supervision: bool) -> nn.Module:
    options = dict(options)
    norm, dropout, d = options.pop("norm", "instance"), options.pop("dropout", 0), len(options["strides"][0])
    return CLASSES[name](
        CHANNELS,
        num_classes=OUTPUTS,
        deep_supervision=deep_supervision,
        **options,
        conv_bias=True,
        conv_op=(nn.Conv2d, nn.Conv3d)[d - 2],
        norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=nn.LeakyReLU,
        norm_op={"instance": (nn.InstanceNorm2d, nn.InstanceNorm3d), "batch": (nn.BatchNorm2d, nn.BatchNorm3d)}[norm][
            d - 2
        ],
        dropout_op=(nn.Dropout2d, nn.Dropout3d)[d - 2] if dropout else None,
        dropout_op_kwargs={"p": dropout} if dropout else None,
        nonlin_kwargs={"inplace": True},
    )


def values(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The same in tests/plugins/nnunet/test_networks.py."""
    draw = np.random.RandomState(zlib.crc32(name.encode()))
    positive = name.endswith(("running_var", "norm.weight"))
    drawn = draw.uniform(0.5, 1.5, shape) if positive else draw.normal(0, 0.2, shape)
    return torch.from_numpy(np.asarray(drawn, np.float32))


def ask(name: str, patch: tuple[int, ...], options: dict) -> tuple[dict, np.ndarray]:
    network = build(name, options, deep_supervision=True).eval()
    network.decoder.deep_supervision = False
    first: dict[int, str] = {}  # parameters and buffers are modules' own tensors: one address, several names
    state = network.state_dict(keep_vars=True)
    names = {n: first.setdefault(id(t), n) for n, t in state.items()}
    with torch.no_grad():
        for canonical in first.values():
            if state[canonical].is_floating_point():
                state[canonical].copy_(values(canonical, tuple(state[canonical].shape)))
        logits = network(values("input", (1, CHANNELS, *patch)))
    count = int(build(name, options, deep_supervision=False).compute_conv_feature_map_size(patch))
    case = {
        "name": name,
        "patch": patch,
        "options": options,
        "names": names,
        "elements": count,
        "shapes": {n: list(state[n].shape) for n in first.values()},
    }
    return case, logits.flatten()[::EVERY].numpy()


if __name__ == "__main__":
    answers = [ask(*case) for case in CASES]
    GOLDEN.parent.mkdir(parents=True, exist_ok=True)
    text = np.frombuffer(zlib.compress(json.dumps([case for case, _ in answers]).encode(), 9), np.uint8)
    np.savez_compressed(GOLDEN, cases=text, **{f"logits_{i}": logits for i, (_, logits) in enumerate(answers)})
    print(GOLDEN, GOLDEN.stat().st_size, "bytes")
