"""The networks of a member's folds on the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from nnplug.errors import InvalidFile
from nnplug.models.weights import WeightFiles
from nnplug.runtime.device import free_memory

_SHARE = 4
"""The networks of further folds may take this part of a GPU's free memory; windows and sums need the rest."""


class FoldNetworks:
    """The network of each fold.

    On a GPU each fold has a network of its own, if there is room: no weights are copied between two slabs or two
    images. Otherwise, and on a CPU, one network gets the weights of one fold after the other.
    """

    def __init__(self, files: Sequence[Path], device: torch.device, build: Callable[[], torch.nn.Module]) -> None:
        """Build the first network.

        Args:
            files: the weights of each fold.
            device: the device of the networks.
            build: returns a new network on the device.
        """
        self._states = WeightFiles(files)
        self._device, self._build = device, build
        self.first = build()
        self._holding: dict[Path, torch.nn.Module] = {}

    def __getitem__(self, weights: Path) -> torch.nn.Module:
        """Return the network with the weights in a file. It keeps them until another fold needs it.

        Raises:
            InvalidFile: the file is missing or damaged, or the weights are not those of this network.
        """
        if weights not in self._holding:
            own = not self._holding or self._has_room()
            network = self._build() if own and self._holding else self.first
            self._holding = {file: one for file, one in self._holding.items() if one is not network}
            self._load(network, weights, keep=not own or self._device.type != "cuda")
            self._holding[weights] = network
        return self._holding[weights]

    def _has_room(self) -> bool:
        """Return whether the device has room for one more network; a CPU copies weights fast enough."""
        free = free_memory(self._device)
        return free is not None and _bytes(self.first) < free // _SHARE

    def _load(self, network: torch.nn.Module, weights: Path, *, keep: bool) -> None:
        state = self._states[weights] if keep else self._states.read(weights)
        try:
            network.load_state_dict(state)
        except RuntimeError as error:  # PyTorch lists every difference; the first is enough
            detail = str(error).splitlines()[1:2] or [str(error)]
            raise InvalidFile(f"{weights}: does not fit the network of its plans ({detail[0].strip()})") from error


def _bytes(network: torch.nn.Module) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
