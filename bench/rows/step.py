"""One training step, loss and optimiser included: the same network, batch and loss on both sides."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.row import Case, Goal, Inside, Row, Work

if TYPE_CHECKING:
    from torch import Tensor, nn

HIPPOCAMPUS = {"patch": (40, 56, 40), "channels": 1, "classes": 3, "features": (32, 64, 128, 256)}
BRATS = {"patch": (128, 128, 128), "channels": 4, "classes": 4, "features": (32, 64, 128, 256, 320, 320)}


def ours(batch: int, device: str, patch: Sequence[int], channels: int, classes: int, features: Sequence[int]) -> Work:
    """nnplug's network as its trainer uses it on that device."""
    import torch

    from nnplug.runtime.allocator import keep_freed_memory
    from nnplug.runtime.device import autocast_dtype, memory_format
    from nnplug_cpu.replacement import for_training
    from nnplug_nnunet.architectures import PlainConvUNet

    where, stages = torch.device(device), len(features)
    network: nn.Module = PlainConvUNet(
        n_stages=stages,
        features_per_stage=tuple(features),
        kernel_sizes=((3, 3, 3),) * stages,
        strides=_strides(stages),
        n_conv_per_stage=(2,) * stages,
        n_conv_per_stage_decoder=(2,) * (stages - 1),
    ).build(channels=channels, outputs=classes)
    network.to(where, memory_format=memory_format(where, 3))  # type: ignore[call-overload]
    dtype = autocast_dtype(where)
    if device == "cpu":
        keep_freed_memory()
    if dtype is None and device == "cpu":
        network = for_training(network) or network
    return steps(network, (batch, channels, *patch), classes, device, dtype)


def theirs(batch: int, device: str, patch: Sequence[int], channels: int, classes: int, features: Sequence[int]) -> Work:
    """nnU-Net's network: float16 on CUDA as its trainer has it, float32 elsewhere."""
    import torch
    from dynamic_network_architectures.architectures.unet import PlainConvUNet
    from torch import nn

    stages = len(features)
    network = PlainConvUNet(
        channels, stages, features, nn.Conv3d, ((3, 3, 3),) * stages, _strides(stages), (2,) * stages, classes,
        (2,) * (stages - 1), conv_bias=True, norm_op=nn.InstanceNorm3d, norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=nn.LeakyReLU, nonlin_kwargs={"inplace": True}, deep_supervision=True,
    ).to(device)  # fmt: skip
    return steps(network, (batch, channels, *patch), classes, device, torch.float16 if device == "cuda" else None)


def steps(network: nn.Module, shape: Sequence[int], classes: int, device: str, dtype: object) -> Work:
    """A step per call; on a GPU it waits for the device."""
    import torch

    torch.manual_seed(0)
    x = torch.randn(*shape, device=device)
    target = torch.randint(classes, (shape[0], *shape[2:]), device=device)
    optimizer = torch.optim.SGD(network.parameters(), 1e-3, momentum=0.99, nesterov=True, weight_decay=3e-5)
    scaler = torch.amp.GradScaler(device, enabled=dtype is torch.float16)

    def work() -> dict[str, float]:
        started = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, dtype, enabled=dtype is not None):  # type: ignore[arg-type]
            logits = network(x)
        scaler.scale(loss_of([y.float() for y in logits], target, classes)).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 12)
        scaler.step(optimizer)
        scaler.update()
        if device == "cuda":
            torch.cuda.synchronize()
        return {"seconds": time.perf_counter() - started}

    return work


def loss_of(logits: Sequence[Tensor], target: Tensor, classes: int) -> Tensor:
    """Dice and cross entropy with halving weights, the same for all."""
    import torch
    from torch import nn

    total = torch.zeros((), device=target.device)
    for i, y in enumerate(logits):
        t = target[(slice(None), *[slice(None, None, 2**i)] * 3)]
        p, truth = y.softmax(1), nn.functional.one_hot(t, classes).movedim(-1, 1)
        dice = 2 * (p * truth).sum((2, 3, 4)) / (p.sum((2, 3, 4)) + truth.sum((2, 3, 4))).clip(1e-5)
        total = total + (nn.functional.cross_entropy(y, t) - dice[:, 1:].mean()) / 2**i
    return total


def _strides(stages: int) -> tuple[tuple[int, ...], ...]:
    return ((1, 1, 1), *[(2, 2, 2)] * (stages - 1))


TINY = {"batch": 1, "patch": (32, 32, 32), "features": (4, 8, 8)}
ROW = Row(
    title="training step",
    ours=Inside(ours),
    theirs=Inside(theirs),
    rounds=4,
    cases=(
        Case(
            "Hippocampus 3d_fullres, batch 9, CPU",
            {**HIPPOCAMPUS, "batch": 9, "device": "cpu"},
            quick=TINY,
            goals=(Goal("seconds", 0.5),),
        ),
        Case("Hippocampus 3d_fullres, batch 2, CPU", {**HIPPOCAMPUS, "batch": 2, "device": "cpu"}, quick=TINY),
        Case("Hippocampus 3d_fullres, batch 9, GPU", {**HIPPOCAMPUS, "batch": 9}, quick=TINY, gpu=True),
        Case("BraTS 128^3, batch 2, GPU", {**BRATS, "batch": 2}, quick=TINY, goals=(Goal("seconds", 0.6),), gpu=True),
    ),
)
