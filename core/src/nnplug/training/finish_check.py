"""Check the files that a trainer leaves at its end, so that a rerun does not train a finished fold again and again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nnplug.registry.attribution import broken
from nnplug.workspace.layout import RunFolder

if TYPE_CHECKING:
    import torch

Shapes = Mapping[str, tuple[int, ...]]
"""Name of a parameter or buffer -> its shape."""


def shapes_of(network: torch.nn.Module) -> Shapes:
    """Return the shape of every parameter and buffer in a network's state dict."""
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def check_finished(run: RunFolder, trainer: object, expected: Shapes) -> None:
    """Raise unless a trainer has finished the run, with final weights of its network. Only names and shapes are read.

    Args:
        run: the run folder.
        trainer: the trainer, which messages name.
        expected: the shapes of the network.

    Raises:
        InvalidPlugin: the final weights are missing or of another network, or the state of a stopped training is left.
    """
    if not run.final_weights.is_file():
        raise broken(trainer, f"ended its training without {run.final_weights}")
    if run.state.exists():
        raise broken(trainer, f"ended its training and left {run.state}, which means a stopped training")
    found = _stored_shapes(run.final_weights)
    for name in sorted({*found, *expected}):
        if found.get(name) != expected.get(name):
            stored, wanted = found.get(name, "missing"), expected.get(name, "none")
            raise broken(trainer, f"wrote weights that do not fit the network: {name} is {stored} instead of {wanted}")


def _stored_shapes(weights: Path) -> Shapes:
    from safetensors import safe_open

    with safe_open(weights, framework="pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
