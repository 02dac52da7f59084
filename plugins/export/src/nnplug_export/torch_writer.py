"""Write networks as files of torch.export."""

from __future__ import annotations

from pathlib import Path

import torch

from nnplug_export.schema import Format
from nnplug_export.writers import Computed


class TorchWriter:
    """A writer of .pt2 files, which `torch.export.load` reads without the classes of the network."""

    format: Format = "torch-export"
    ending = ".pt2"

    def write(self, network: torch.nn.Module, example: torch.Tensor, path: Path) -> None:
        """See `nnplug_export.writers.NetworkWriter`."""
        program = torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},))
        torch.export.save(program, path)

    def read(self, path: Path) -> Computed:
        """See `nnplug_export.writers.NetworkWriter`."""
        module = torch.export.load(path).module()

        def computed(batch: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                logits: torch.Tensor = module(batch)
            return logits

        return computed
