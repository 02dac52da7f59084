"""Print the seconds of one fixed training step, to compare machines: PYTHON bench/peers/yard.py DEVICE.

Plain PyTorch in float32, so that no change of nnplug or nnunetv2 changes it.
"""

from __future__ import annotations

import sys
import time

import torch
from torch import nn

SHAPE = (2, 1, 40, 56, 40)
ROUNDS = 5


def main(device: str) -> None:
    """Print the fastest of some steps."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for channels in (1, 32, 32):
        layers += [nn.Conv3d(channels, 32, 3, padding=1), nn.InstanceNorm3d(32, affine=True), nn.LeakyReLU(0.01)]
    network = nn.Sequential(*layers, nn.Conv3d(32, 3, 1)).to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.99, nesterov=True)
    image, target = torch.randn(SHAPE, device=device), torch.zeros((2, *SHAPE[2:]), dtype=torch.long, device=device)
    seconds = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(image), target)
        loss.backward()
        optimizer.step()
        float(loss)  # waits for a GPU
        seconds.append(time.perf_counter() - started)
    print(min(seconds[1:]))


if __name__ == "__main__":
    main(sys.argv[1])
