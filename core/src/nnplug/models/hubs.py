"""Find the models that users name: a path, or NAME:REFERENCE of a hub."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from nnplug.contracts.kinds import HUB
from nnplug.errors import UnknownComponent
from nnplug.models.bundle_files import INDEX
from nnplug.registry.attribution import attributed, broken, expect
from nnplug.registry.components import Registry
from nnplug.remedies import Action

_REFERENCE = re.compile(r"([a-z0-9][a-z0-9-]+):(.*)", re.DOTALL)  # one letter alone is a drive of Windows


def local_models(models: Sequence[Path], registry: Registry) -> tuple[Path, ...]:
    """Return the absolute path of each model, see `local_model`."""
    return tuple(local_model(model, registry) for model in models)


def local_model(model: Path, registry: Registry) -> Path:
    """Return the absolute path of a model; one that a hub has is fetched.

    Args:
        model: a path, or NAME:REFERENCE, where NAME is a hub. A path that exists is not taken for a reference.
        registry: the components with the hubs.

    Raises:
        NnplugError: no hub has this name, or it cannot fetch the model, or it gives no bundle.
    """
    found = _REFERENCE.fullmatch(str(model))
    if found is None or model.exists():
        return model.absolute()
    name, reference = found.groups()
    known = registry.names(HUB.component.kind)
    if name not in known:
        there = f"there are {', '.join(known)}" if known else "none is installed"
        raise UnknownComponent(f"{model}: no hub is called {name!r}; {there}", Action.INSTALL_HUB())
    hub = registry.get(HUB, name).create()
    with attributed(hub):
        folder = expect(hub, hub.fetch(reference), Path)
    if not (folder / INDEX).is_file():
        raise broken(hub, f"gave {folder} for {reference!r}, which has no {INDEX}")
    return folder.absolute()
