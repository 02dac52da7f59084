"""Compare a network and its faster form on the CPU by Triton's interpreter: prints the errors as JSON.

Triton reads the variable TRITON_INTERPRET when it is imported, so a test starts this script with it.
"""

from __future__ import annotations

import copy
import json
import sys
from contextlib import nullcontext
from unittest import mock

import torch
from torch import nn

from nnplug_cuda import self_check
from nnplug_cuda.replacement import with_fused_norms
from nnplug_nnunet.architectures import PlainConvUNet, ResidualEncoderUNet

KINDS = {"plain": PlainConvUNet, "residual": ResidualEncoderUNet}


def network(kind, axes):
    counts = {"plain": {"n_conv_per_stage": (2, 1)}, "residual": {"n_blocks_per_stage": (1, 1)}}[kind]
    made = KINDS[kind](
        n_stages=2,
        features_per_stage=(4, 6),
        kernel_sizes=((3,) * axes,) * 2,
        strides=((1,) * axes, (2,) * axes),
        n_conv_per_stage_decoder=(1,),
        **counts,
    ).build(channels=1, outputs=3)
    draws = torch.Generator().manual_seed(1)
    for layer in made.modules():
        if isinstance(layer, nn.InstanceNorm2d | nn.InstanceNorm3d):
            layer.weight.data = 1 + torch.randn(layer.weight.shape, generator=draws) / 4
            layer.bias.data = torch.randn(layer.bias.shape, generator=draws) / 4
    return made


def step(net, image):
    levels = net(image)
    sum((level.float() ** 2).mean() for level in levels).backward()
    return levels[0].detach(), {name: p.grad for name, p in net.named_parameters()}


def compare(kind, axes):
    torch.manual_seed(0)
    plain = network(kind, axes)
    # a mean that is large beside the deviation shows sums that lose digits
    image = torch.randn(2, 1, *((8, 12, 6) if axes == 3 else (10, 12))) + 3
    fast = with_fused_norms(copy.deepcopy(plain))
    (logits, gradients), (found, faster) = step(plain, image), step(fast, image)
    largest = max(float(g.abs().max()) for g in gradients.values())
    changed = {n: float((faster[n] - g).abs().max()) / largest for n, g in gradients.items()}
    worst = max(changed, key=changed.get)
    kinds = sorted({type(layer).__name__ for layer in fast.modules()})
    plain.eval(), fast.eval()
    with torch.inference_mode():
        predicted = float((plain(image) - fast(image)).abs().max() / logits.abs().max())
    return {
        "logits": float((found - logits).abs().max() / logits.abs().max()),
        "gradient": changed[worst],
        "worst": worst,
        "predicted": predicted,
        "layers": kinds,
        "names": list(fast.state_dict()) == list(plain.state_dict()),
    }


def fault(**wrong):
    """Return what the comparison on a device says of the kernels, with other arguments or without."""
    right = self_check.statistics
    with mock.patch.object(self_check, "statistics", lambda x, epsilon: right(x, wrong.get("epsilon", epsilon))):
        try:
            self_check.check_norm(torch.device("cpu"), torch.float32)
        except RuntimeError as error:
            return str(error)
    return None


def main():
    """Print the comparison of each network that is named, such as "plain 3D", or else what a fault is told with."""
    with mock.patch("torch.cuda.device_of", side_effect=lambda _: nullcontext()):
        found = {name: compare(name[:-3], int(name[-2])) for name in sys.argv[1:]}
        found = found or {"fault": [fault(), fault(epsilon=0.5)]}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
