"""Start a training from the weights of another model, except for the segmentation heads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nnplug.contracts import Architecture
from nnplug.contracts.attributed.architecture import build_network
from nnplug.errors import NnplugError
from nnplug.models.open import open_member
from nnplug.remedies import Action
from nnplug.runtime.digests import sha256
from nnplug.workspace.run_record import Pretrained

if TYPE_CHECKING:
    import torch

SHOWN = 3
"""The largest number of mismatched parameters that a message names."""


def describe_pretrained(path: Path) -> Pretrained:
    """Return the record of the model that a run starts from.

    Raises:
        NnplugError: as in `open_member`.
    """
    member = open_member(path)
    citations = member.start.citations if member.start else ()
    return Pretrained(model=str(path), sha256=sha256(member.weights[0]), citations=citations or None)


def load_pretrained(
    network: torch.nn.Module, architecture: Architecture, path: Path, *, channels: int, outputs: int
) -> tuple[str, ...]:
    """Load the weights of a trained model's first fold, or of a start, into a network; the heads keep their weights.

    Heads are the parameters whose shape depends on the number of outputs. With a start the parameters that it lacks
    keep their weights, too.

    Args:
        network: the network that `architecture` has built; changed in place.
        architecture: the architecture, by which the heads are found.
        path: a run, a configuration's folder of runs, a bundle, or a start.
        channels: the number of input channels of the network.
        outputs: the number of output channels of the network.

    Returns:
        The names of the parameters that keep their weights.

    Raises:
        NnplugError: there is no model, or its network is a different one; the message names the mismatches.
    """
    from nnplug.models.weights import read_weights

    member = open_member(path)
    found, own = read_weights(member.weights[0]), network.state_dict()
    kept = head_names(architecture, channels=channels, outputs=outputs)
    if member.start is not None:
        kept |= own.keys() - found.keys()
    if problems := list(_mismatches(own, found, kept)):
        more = f" and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise NnplugError(
            f"{path}: its network is another one: {'; '.join(problems[:SHOWN])}{more}",
            Action.PLAN_LIKE(model=path),
        )
    network.load_state_dict({name: own[name] if name in kept else found[name] for name in own})
    return tuple(name for name in own if name in kept)


def head_names(architecture: Architecture, *, channels: int, outputs: int) -> frozenset[str]:
    """Return the names of the parameters whose shape depends on the number of outputs. No memory is allocated."""
    import torch

    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        narrow, wide = (
            build_network(architecture, channels=channels, outputs=n).state_dict() for n in (outputs, outputs + 1)
        )
    return frozenset(name for name in narrow if name not in wide or narrow[name].shape != wide[name].shape)


def _mismatches(
    own: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor], kept: frozenset[str]
) -> Iterator[str]:
    for name in sorted({*own, *found} - kept):
        if name not in found:
            yield f"{name} is missing"
        elif name not in own:
            yield f"{name} has no place"
        elif own[name].shape != found[name].shape:
            yield f"{name} is {tuple(found[name].shape)} instead of {tuple(own[name].shape)}"
