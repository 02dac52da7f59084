"""Make a network faster with the installed accelerators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nnplug.contracts import Workload
from nnplug.contracts.kinds import ACCELERATOR, AcceleratorEntry
from nnplug.errors import ComponentFailed, InvalidPlugin, within
from nnplug.registry.attribution import attributed, expect
from nnplug.registry.components import AnyEntry, Kind, Registry
from nnplug.remedies import Action, Names
from nnplug.runtime.progress import Progress

if TYPE_CHECKING:
    import torch


def accelerated(
    network: torch.nn.Module, workload: Workload, *, registry: Registry, progress: Progress
) -> torch.nn.Module:
    """Return the faster network of the first accelerator, in the order of names, that has one; else the network itself.

    If an accelerator cannot be imported or fails, there is a notice, and the next one is tried. Convolutions that are
    trained in half precision on a CPU also get exact gradients for short images, see `nnplug.ops.layers.short_axes`.

    Args:
        network: a network on the device of the workload.
        workload: the computation that follows.
        registry: the registry with the accelerators.
        progress: receives a notice for each accelerator that fails.

    Raises:
        InvalidPlugin: an accelerator replaced parameters of the network or changed names in its state dict.
        AmbiguousComponent: two distributions offer one name.
    """
    chosen = _first_faster(network, workload, registry, progress) or network
    if workload.purpose == "training" and workload.device.type == "cpu" and workload.autocast is not None:
        from nnplug.ops.layers.short_axes import with_exact_gradients  # imports PyTorch

        return with_exact_gradients(chosen)
    return chosen


def _first_faster(
    network: torch.nn.Module, workload: Workload, registry: Registry, progress: Progress
) -> torch.nn.Module | None:
    parameters, names = dict(network.named_parameters()), set(network.state_dict())
    for name in registry.names(Kind.ACCELERATOR):
        entry = registry.get(ACCELERATOR, name)
        try:
            faster = _accelerate(entry, network, workload)
        except (ComponentFailed, InvalidPlugin) as error:
            faster = None
            progress.notice(within("", error.lines[0], ". The network computes without it"))
        _check_kept(entry, faster or network, parameters, names)
        if faster is not None:
            return faster
    return None


def accelerators(registry: Registry) -> list[AnyEntry]:
    """Return all accelerators. They are not resolved from a record, because plans do not name them."""
    return [entry for entry in registry if entry.kind is Kind.ACCELERATOR]


def _accelerate(entry: AcceleratorEntry, network: torch.nn.Module, workload: Workload) -> torch.nn.Module | None:
    import torch

    accelerator = entry.create()
    with attributed(accelerator):
        faster = accelerator.accelerate(network, workload)
    return None if faster is None else expect(accelerator, faster, torch.nn.Module)


def _check_kept(
    entry: AcceleratorEntry, network: torch.nn.Module, parameters: Mapping[str, torch.nn.Parameter], names: set[str]
) -> None:
    """Raise `InvalidPlugin` unless a network has the same parameter objects and names as the original network."""
    now = dict(network.named_parameters())
    changed = {name for name in now.keys() | parameters.keys() if now.get(name) is not parameters.get(name)}
    changed |= names ^ set(network.state_dict())
    if changed:
        raise InvalidPlugin(
            f"{entry} changed {min(changed)!r} of the network, whose parameters and names must stay",
            Action.BLOCK_PLUGINS(names=Names((entry.source.plugin,))),
        )
