"""The place of a check: device, sizes and folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Site:
    """The settings that all sections share.

    Attributes:
        device: "cuda", or "cpu" for a rehearsal.
        tiny: small sizes and few iterations, to see that every section works.
        dataset: Hippocampus in nnU-Net's raw layout; None where it is not here.
        scratch: a folder for all sections; later ones use what earlier ones left.
        match: only variants whose name has this regular expression are measured.
        compiles: whether variants with `torch.compile` are measured, which takes about a minute each.
    """

    device: str
    tiny: bool
    dataset: Path | None
    scratch: Path
    compiles: bool = True
    match: str = ""

    @property
    def torch_device(self) -> torch.device:
        """The device."""
        import torch

        return torch.device(self.device)

    def pick(self, full: int, tiny: int) -> int:
        """Return a number for the full check or for the tiny one."""
        return tiny if self.tiny else full

    def wait(self) -> None:
        """Wait until the device has done its work."""
        if self.device == "cuda":
            import torch

            torch.cuda.synchronize()
