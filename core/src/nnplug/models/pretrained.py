"""Training that begins with the weights of another model: all but the segmentation heads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from nnplug.contracts import Architecture
from nnplug.contracts.attributed import build_network
from nnplug.errors import NnplugError
from nnplug.models.open import open_member
from nnplug.remedies import Action
from nnplug.runtime.digests import sha256
from nnplug.workspace.run_record import Pretrained

if TYPE_CHECKING:
    import torch

SHOWN = 3
"""How many parameters that do not fit a message names."""


def describe_pretrained(path: Path) -> Pretrained:
    """Return the record of the model that a run began with; raises as `open_member` does."""
    member = open_member(path)
    return Pretrained(model=str(path), sha256=sha256(member.weights[0]))


def load_pretrained(
    network: torch.nn.Module, architecture: Architecture, path: Path, *, channels: int, outputs: int
) -> tuple[str, ...]:
    """Give a network the weights of a trained model, those of its first fold; the heads keep what they have.

    Heads are the parameters whose shape depends on the number of outputs.

    Args:
        network: what `architecture` has built; changed in place.
        architecture: tells the heads apart.
        path: a run, a configuration's folder of runs, or a bundle.
        channels: of the network's input.
        outputs: of the network.

    Returns:
        the names of the parameters that were left as they are.

    Raises:
        NnplugError: there is no model, or its network is another one; the message names what does not fit.
    """
    from safetensors.torch import load_file

    member = open_member(path)
    found, own = load_file(member.weights[0]), network.state_dict()
    heads = head_names(architecture, channels=channels, outputs=outputs)
    if problems := list(_mismatches(own, found, heads)):
        more = f" and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise NnplugError(
            f"{path}: its network is another one: {'; '.join(problems[:SHOWN])}{more}",
            Action.PLAN_LIKE(model=path),
        )
    network.load_state_dict({name: own[name] if name in heads else found[name] for name in own})
    return tuple(name for name in own if name in heads)


def head_names(architecture: Architecture, *, channels: int, outputs: int) -> frozenset[str]:
    """The parameters whose shape depends on the number of outputs; nothing is allocated to find out."""
    import torch

    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        narrow, wide = (
            build_network(architecture, channels=channels, outputs=n).state_dict() for n in (outputs, outputs + 1)
        )
    return frozenset(name for name in narrow if name not in wide or narrow[name].shape != wide[name].shape)


def _mismatches(
    own: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor], heads: frozenset[str]
) -> Iterator[str]:
    for name in sorted({*own, *found} - heads):
        if name not in found:
            yield f"{name} is missing"
        elif name not in own:
            yield f"{name} has no place"
        elif own[name].shape != found[name].shape:
            yield f"{name} is {tuple(found[name].shape)} instead of {tuple(own[name].shape)}"
