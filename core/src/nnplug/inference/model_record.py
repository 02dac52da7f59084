"""Record the model, the machine and the versions that a prediction was made with."""

from __future__ import annotations

import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from socket import gethostname
from typing import Any

import torch

from nnplug.inference.choose_inference import choose_inference
from nnplug.inference.options import PredictOptions
from nnplug.models.model_components import components_of
from nnplug.models.open import Member
from nnplug.registry.attribution import name_of
from nnplug.registry.checked_executor import CheckedExecutor
from nnplug.registry.loader import Status
from nnplug.registry.provenance import record
from nnplug.registry.runtime import Runtime
from nnplug.runtime.digests import sha256
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.machine import processor_name
from nnplug.runtime.progress import Silent
from nnplug.workspace.run_record import installed_versions

_LIBRARIES = ("scipy", "SimpleITK", "nibabel")
"""Libraries that results depend on, besides those of `installed_versions`."""


def described_model(options: PredictOptions, runtime: Runtime) -> dict[str, Any]:
    """Return JSON with the paths of the models, and plans, folds and weights of each member.

    Raises:
        NnplugError: as in `nnplug.inference.choose_inference.check_inference`.
    """
    model = options.model
    return {
        "paths": [str(path) for path in options.models],
        "dataset": model.plans.dataset,
        "members": [_described(member, options, runtime) for member in model.members],
        "postprocessing": None if model.postprocessing is None else dict(model.postprocessing),
    }


def _described(member: Member, options: PredictOptions, runtime: Runtime) -> dict[str, Any]:
    """Return JSON of a member, with its previous stage in a cascade."""
    components = components_of(member, runtime.plugins, Silent(), kinds=options.needed_kinds)
    configuration = member.plans.configuration(member.configuration)
    name, used, _ = choose_inference(member.plans, components, options, runtime.registry).data()
    previous = member.previous
    return {
        "dataset": member.plans.dataset,
        "plans": member.plans.name,
        "plans_digest": member.plans.digest(),
        "configuration": member.configuration,
        "folds": list(member.folds),
        "weights": [{"file": file.name, "sha256": sha256(file)} for file in member.weights],
        "spacing": list(configuration.spacing),
        "patch_size": list(configuration.patch_size),
        "inference": {"name": name, "options": used},
        "mirror_axes": list(member.mirror_axes) if options.mirroring else [],
        "components": [one.data() for one in record(components)],
        "previous": None if previous is None else _described(previous, options, runtime),
    }


def described_machine(runtime: Runtime) -> dict[str, Any]:
    """Return JSON of host, system and device. On a cluster each job chooses its device."""
    executor = runtime.executor
    made = executor.executor if isinstance(executor, CheckedExecutor) else executor
    device = runtime.torch_device() if type(made) is LocalExecutor else None
    return {
        "host": gethostname(),
        "system": f"{platform.system()} {platform.release()}",
        "executor": name_of(made),
        "device": {"asked": runtime.device, "used": None if device is None else str(device), "name": _name(device)},
    }


def _name(device: torch.device | None) -> str | None:
    """Return the name of a GPU or of the processor; None if another process computes."""
    if device is None:
        return None
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()


def used_versions(options: PredictOptions, runtime: Runtime) -> dict[str, str]:
    """Return the versions of Python, of the libraries, of the model's distributions and of all loaded plugins."""
    providers = [
        provider for member in options.model.members for stage in member.stages for provider in stage.providers
    ]
    loaded = [plugin.source for plugin in runtime.plugins if plugin.status is Status.LOADED]
    found = {**installed_versions(providers), **{source.distribution: source.version for source in loaded}}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return {"python": found.pop("python"), **{name: found[name] for name in sorted(found, key=str.lower)}}
