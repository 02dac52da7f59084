"""Time training steps on this CPU: nnplug's against nnunetv2's, in turns, for 2 patches of Hippocampus' 3d_fullres.

python bench/step.py [--oracle PYTHON] [--rounds 6] [--threads N]

PYTHON is an interpreter with nnunetv2. Without it, nnplug's network before and after `accelerate` is compared.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

BATCH, PATCH, CLASSES = 2, (40, 56, 40), 3
FEATURES = (32, 64, 128, 256)
STRIDES = ((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2))
KERNELS = ((3, 3, 3),) * 4
Step = Callable[[], float]


def loss_of(logits: list[Tensor], target: Tensor) -> Tensor:
    """Dice and cross entropy with halving weights, the same for all."""
    total = torch.zeros(())
    for i, y in enumerate(logits):
        t = target[(slice(None), *[slice(None, None, 2**i)] * 3)]
        p, truth = y.softmax(1), nn.functional.one_hot(t, CLASSES).movedim(-1, 1)
        dice = 2 * (p * truth).sum((2, 3, 4)) / (p.sum((2, 3, 4)) + truth.sum((2, 3, 4))).clip(1e-5)
        total = total + (nn.functional.cross_entropy(y, t) - dice[:, 1:].mean()) / 2**i
    return total


def step_of(network: nn.Module) -> Step:
    """A function that makes one step and gives its seconds."""
    torch.manual_seed(0)
    x, target = torch.randn(BATCH, 1, *PATCH), torch.randint(CLASSES, (BATCH, *PATCH))
    optimizer = torch.optim.SGD(network.parameters(), 1e-3, momentum=0.99, nesterov=True, weight_decay=3e-5)

    def step() -> float:
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss_of(network(x), target).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 12)
        optimizer.step()
        return time.perf_counter() - start

    return step


def nnunetv2_network() -> nn.Module:
    """nnunetv2's, as its plans for this dataset say."""
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    return PlainConvUNet(
        1, 4, FEATURES, nn.Conv3d, KERNELS, STRIDES, (2,) * 4, CLASSES, (2,) * 3, conv_bias=True,
        norm_op=nn.InstanceNorm3d, norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=nn.LeakyReLU, nonlin_kwargs={"inplace": True}, deep_supervision=True,
    )  # fmt: skip


def nnplug_network() -> nn.Module:
    """The same, by this project."""
    from nnplug_nnunet.networks.blocks import Layers
    from nnplug_nnunet.networks.unet import Decoder, PlainEncoder, UNet

    layers = Layers(3)
    return UNet(
        PlainEncoder(layers, 1, FEATURES, KERNELS, STRIDES, (2,) * 4),
        Decoder(layers, CLASSES, FEATURES, KERNELS, STRIDES, (2,) * 3),
    )


def accelerated_network() -> nn.Module:
    """The same as the trainer trains it on a CPU."""
    from nnplug.runtime.memory import keep_freed_memory
    from nnplug_nnunet.networks.cpu import accelerate

    keep_freed_memory()
    return accelerate(nnplug_network())


NETWORKS = {"nnunetv2": nnunetv2_network, "nnplug-plain": nnplug_network, "nnplug": accelerated_network}


def serve(name: str, threads: int) -> None:
    """Make a step whenever a line comes in; answer its seconds."""
    torch.set_num_threads(threads)
    step = step_of(NETWORKS[name]())
    for _ in sys.stdin:
        print(step(), flush=True)


class Server:
    """A process that makes steps on demand: memory settings of one do not touch the other."""

    def __init__(self, python: str, name: str, threads: int) -> None:
        """Start it."""
        command = [python, __file__, "--serve", name, "--threads", str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def step(self) -> float:
        """Seconds of one step."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("step\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self.process.communicate()


def compare(theirs: Server, ours: Server, rounds: int, name: str) -> None:
    """Alternate; the first two steps of each warm up."""
    pairs = [(theirs.step(), ours.step()) for _ in range(rounds + 2)][2:]
    for server in (theirs, ours):
        server.close()
    a, b = (statistics.median(column) for column in zip(*pairs, strict=True))
    best = [min(column) for column in zip(*pairs, strict=True)]
    print(f"{name}: median {a:.3f} s, best {best[0]:.3f} s")
    print(f"nnplug: median {b:.3f} s, best {best[1]:.3f} s")
    print(f"ratio:  median {b / a:.3f}, best {best[1] / best[0]:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--oracle", type=Path, help="python with nnunetv2")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--serve", choices=NETWORKS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.threads)
        return
    python, name = str(options.oracle), "nnunetv2"
    if options.oracle is None or not options.oracle.exists():
        print(
            f"nnunetv2's python is not there ({options.oracle}): comparing with nnplug's own network, not accelerated"
        )
        python, name = sys.executable, "nnplug-plain"
    ours = Server(sys.executable, "nnplug", options.threads)
    compare(Server(python, name, options.threads), ours, options.rounds, name)


if __name__ == "__main__":
    main()
