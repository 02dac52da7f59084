"""Plans in nnU-Net's layout on disk, so that manual changes, old folders and other tools keep their meaning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnplug.errors import InvalidFile, NnplugError
from nnplug_nnunetv2_commands.class_names.trainers import TrainerChoice

if TYPE_CHECKING:
    from nnplug.dataset.description import DatasetDescription
    from nnplug.io.readers import Readers
    from nnplug.plans.plans import Plans
    from nnplug.registry.components import Registry

RECIPE = "nnunet"
"""The recipe of nnU-Net's commands, independent of the default recipe."""


def write_plans(path: Path, plans: Plans, description: DatasetDescription, *, planner: str) -> None:
    """Write plans in nnU-Net's layout. Configurations of an earlier file that are not planned stay, as in nnU-Net.

    Args:
        path: the file.
        plans: nnplug's plans.
        description: the `dataset.json`.
        planner: nnU-Net's name of the planner.

    Raises:
        InvalidFile: nnU-Net lacks the network or a normalizer, which can happen with a plugin's planner.
    """
    from nnplug.runtime.json_files import write_json
    from nnplug_nnunet.nnunet_models import plans_to_nnunet

    made = plans_to_nnunet(plans, tuple(plans.configurations), description, planner=planner)
    earlier = read_raw(path)["configurations"] if path.is_file() else {}
    write_json(path, {**made, "configurations": {**earlier, **made["configurations"]}})


def configurations(path: Path) -> tuple[str, ...]:
    """Return the names of the configurations in a plans file."""
    return tuple(read_raw(path)["configurations"])


def move_plans(source: Path, target: Path, *, dataset: str) -> None:
    """Write plans under another dataset's name; they then refer to the preprocessed cases of this dataset.

    Args:
        source: a plans file.
        target: the new file; its name becomes the plans' name.
        dataset: the name of the other dataset.
    """
    from nnplug.runtime.json_files import write_json

    raw = read_raw(source)
    for one in raw["configurations"].values():
        if "data_identifier" in one:
            one["data_identifier"] = target.stem + str(one["data_identifier"]).removeprefix(source.stem)
    write_json(target, {**raw, "dataset_name": dataset, "plans_name": target.stem})


def check_reader(path: Path, description: DatasetDescription, readers: Readers) -> None:
    """Raise unless plans name the reader that `dataset.json` means.

    Raises:
        InvalidFile: the plans name another reader, or one that is not installed.
    """
    from nnplug_nnunet.nnunet_models import described_reader

    raw = read_raw(path)
    if described_reader(raw, description, readers, str(path)) != description:
        name = raw["image_reader_writer"]
        raise InvalidFile(
            f"{path}: image_reader_writer is {name!r}, but dataset.json means another reader. "
            f'Write "overwrite_image_reader_writer": "{name}" into dataset.json, or plan again.'
        )


def load_plans(path: Path, configuration: str, trainer: TrainerChoice, registry: Registry) -> Plans:
    """Read plans in nnU-Net's layout, written by nnplug or by nnU-Net.

    Args:
        path: the plans file.
        configuration: a configuration that must exist and that nnplug supports.
        trainer: the trainer; its options replace nnU-Net's defaults.
        registry: the installed components.

    Raises:
        NnplugError: the file or the configuration does not exist.
        InvalidFile: the configuration needs a feature that nnplug lacks; the message names it.
    """
    import msgspec

    from nnplug.preparation.make_plans import choose, with_providers
    from nnplug.preparation.plan_overrides import check_patches, override
    from nnplug.registry.components import Kind
    from nnplug_nnunet.nnunet_models import plans_from_nnunet

    raw = read_raw(path)
    if configuration not in raw["configurations"]:
        there = ", ".join(raw["configurations"])
        raise NnplugError(f"{path}: has no configuration {configuration!r}; it has {there}")
    plans, _ = plans_from_nnunet(raw, configuration, str(path))
    components = {Kind.TRAINER: trainer.component, **{Kind(kind): name for kind, name in trainer.named.items()}}
    if resampler := plans.choices.get(Kind.RESAMPLER):
        components[Kind.RESAMPLER] = resampler.name
    choices, network = choose(registry, RECIPE, components, trainer.options)
    implied = (Kind.PREPROCESSOR, Kind.INFERENCE)
    plans = msgspec.structs.replace(
        plans,
        name=path.stem,
        choices={str(kind): choice for kind, choice in choices.items() if kind not in implied},
        configurations={name: _with_network(c, network) for name, c in plans.configurations.items()},
    )
    plans = override(plans, trainer.fields, (configuration,), registry)
    if trainer.network is not None:
        plans = _with_other_network(plans, configuration, trainer.network, registry, str(path))
    check_patches(plans, registry)
    return with_providers(plans, registry)


def _with_network(configuration: Any, options: Mapping[str, Any]) -> Any:
    import msgspec

    choice = configuration.architecture
    changed = msgspec.structs.replace(choice, options={**choice.options, **options})
    return msgspec.structs.replace(configuration, architecture=changed)


def _with_other_network(
    plans: Plans, configuration: str, network: tuple[str, Mapping[str, Any]], registry: Registry, where: str
) -> Plans:
    """Return the plans with a network that takes no topology, made for the patch of a configuration.

    Raises:
        NnplugError: the network takes no patch of this size; the message names one that it takes.
    """
    import msgspec

    from nnplug.contracts.capabilities import patch_class
    from nnplug.contracts.kinds import ARCHITECTURE
    from nnplug.plans.plans import Choice

    (name, options), planned = network, plans.configuration(configuration)
    target = patch_class(registry.get(ARCHITECTURE, name))
    fitting = tuple(target.largest_patch(planned.patch_size))
    if fitting != planned.patch_size:
        raise NnplugError(
            f'{where}: {name} takes no patch of {list(planned.patch_size)}. Write "patch_size": {list(fitting)} into '
            f"configuration {configuration!r}."
        )
    choice = Choice(name=name, options={**target.options_for_patch(fitting), **options})
    changed = msgspec.structs.replace(planned, architecture=choice)
    return msgspec.structs.replace(plans, configurations={**plans.configurations, configuration: changed})


def read_raw(path: Path) -> dict[str, Any]:
    """Return a plans file in nnU-Net's layout as JSON data.

    Raises:
        NnplugError: the file does not exist or holds no plans.
    """
    from nnplug.runtime.json_files import read_json

    if not path.is_file():
        raise NnplugError(f"{path}: no such plans. Run nnUNetv2_plan_experiment, or name others.")
    raw = read_json(path)
    if not isinstance(raw, dict) or not isinstance(raw.get("configurations"), dict):
        raise NnplugError(f"{path}: no plans of nnU-Net ('configurations' is missing). Run nnUNetv2_plan_experiment.")
    return raw
