"""Plans: all decisions that planning makes from the data, in one JSON file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from nnplug.errors import InvalidFile, NnplugError, did_you_mean
from nnplug.plans.fingerprint import IntensityStats
from nnplug.plans.names import check_names
from nnplug.registry.components import Kind
from nnplug.registry.provenance import Provider
from nnplug.remedies import Action
from nnplug.runtime.json_files import read_json
from nnplug.runtime.records import Record

if TYPE_CHECKING:
    from nnplug.dataset.description import DatasetDescription
    from nnplug.dataset.labels import Labels

SCHEMA = 1


class Choice(Record, frozen=True, kw_only=True):
    """A component by name, and its options. The core never reads the options."""

    name: str
    options: dict[str, Any] = msgspec.field(default_factory=dict)


class Normalization(Record, frozen=True, kw_only=True):
    """The normalisation of one channel.

    Attributes:
        name: the name of the normalizer.
        use_mask: whether the normalizer uses only voxels inside the nonzero mask.
        options: the options of the normalizer; None for its defaults. The core never reads them.
    """

    name: str
    use_mask: bool
    options: dict[str, Any] | None = None


class SplineOrders(Record, frozen=True, kw_only=True):
    """The spline orders of one resampling.

    Attributes:
        order: the spline order in plane, or along all axes if slices are not resampled one by one.
        order_z: the spline order across slices that are resampled one by one; always 0 (nearest).
        force_separate_z: True or False replaces the rule "one axis is more than 3 times coarser".
    """

    order: int
    order_z: int = 0
    force_separate_z: bool | None = None


class Resampling(Record, frozen=True, kw_only=True):
    """The resampling of images, label maps and predicted logits."""

    image: SplineOrders = SplineOrders(order=3)
    label: SplineOrders = SplineOrders(order=1)
    probability: SplineOrders = SplineOrders(order=1)


class Configuration(Record, frozen=True, kw_only=True):
    """One spacing and network: 2d, 3d_fullres, 3d_lowres or 3d_cascade_fullres. Axes are transposed.

    Attributes:
        spacing: target spacing in mm, (z, y, x), or (y, x) in 2d.
        patch_size: voxels, the same axes as `spacing`.
        batch_size: patches per iteration.
        median_shape: median image size at `spacing`, voxels.
        normalization: one per channel, in the order of the channels.
        resampling: spline orders for images, label maps and logits.
        batch_dice: whether the Dice loss sums over the batch.
        architecture: the name of the network's architecture, with the options that the planner chose.
        next_stage: the configuration that refines this one's prediction.
        previous_stage: the configuration whose label map is an additional input of this one.
    """

    spacing: tuple[float, ...]
    patch_size: tuple[int, ...]
    batch_size: int
    median_shape: tuple[float, ...]
    normalization: tuple[Normalization, ...]
    resampling: Resampling
    batch_dice: bool
    architecture: Choice
    next_stage: str | None = None
    previous_stage: str | None = None

    @property
    def dimensions(self) -> int:
        """The number of spatial axes: 2 or 3."""
        return len(self.patch_size)

    def previous_labels(self, labels: Labels) -> tuple[int, ...]:
        """Return the label values of the previous stage that are input channels; none without a previous stage."""
        return () if self.previous_stage is None else labels.foreground_values

    def input_channels(self, description: DatasetDescription) -> int:
        """Return the number of input channels, of the image and of the previous stage."""
        return len(description.channel_names) + len(self.previous_labels(description.labels))


class Plans(Record, frozen=True, kw_only=True):
    """The decisions of planning. Together with the data they determine a run.

    Attributes:
        schema: version of this layout.
        dataset: the dataset's name.
        name: the plans' name; a dataset can have several plans.
        recipe: the recipe that `choices` was expanded from; it is never read again.
        choices: kind -> component, for extractor, planner, preprocessor, augmenter, trainer, inference and
            postprocessor; sampler and loss if they are named, else they are the trainer's; resampler if it is named,
            else it is the preprocessor's. Plans of an older nnplug
            have no preprocessor or inference; see `nnplug.preparation.planned`.
        transpose_forward: transposed axis i is axis `transpose_forward[i]` of the image (z, y, x).
        transpose_backward: the inverse of `transpose_forward`.
        median_spacing: of the dataset, transposed axes, mm.
        median_shape: of the dataset after cropping, transposed axes, voxels.
        intensity: channel index as text -> foreground statistics.
        configurations: name -> configuration.
        regions: whether networks learn the regions of `dataset.json`, if it has some, or one class per label value.
        providers: the component and distribution that each name meant when the plans were made.
        orientations: those of the training images, see `Fingerprint`; prediction warns of others. None if unknown.
        channel_names: those of `dataset.json` that the plans were made for; they choose the normalisation. None in
            older plans.
    """

    schema: int = SCHEMA
    dataset: str
    name: str
    recipe: str
    choices: dict[str, Choice]
    transpose_forward: tuple[int, int, int]
    transpose_backward: tuple[int, int, int]
    median_spacing: tuple[float, float, float]
    median_shape: tuple[float, float, float]
    intensity: dict[str, IntensityStats]
    configurations: dict[str, Configuration]
    regions: bool = True
    providers: tuple[Provider, ...] = ()
    orientations: dict[str, int] | None = None
    channel_names: tuple[str, ...] | None = None

    @classmethod
    def from_data(cls, data: Any, where: str) -> Self:
        """Return the plans made from JSON data; `inherits_from` is resolved.

        Raises:
            InvalidFile: the schema is newer, a key is unknown, missing or ill-typed, or values contradict each other.
        """
        if not isinstance(data, dict) or not isinstance(schema := data.get("schema"), int):
            raise InvalidFile(f"{where}: no plans of nnplug ('schema' is missing)", Action.PLAN())
        if schema > SCHEMA:
            raise InvalidFile(f"{where}: plans have schema {schema}, this nnplug reads up to {SCHEMA}. Upgrade nnplug.")
        configurations = data.get("configurations")
        if isinstance(configurations, dict):
            resolved = {
                name: Configuration.from_data(inherit(configurations, name, where), f"{where}: configuration {name!r}")
                for name in configurations
            }
            data = {**data, "configurations": resolved}
        plans = super().from_data(data, where)
        _check(plans, where)
        return plans

    def training_description(self, description: DatasetDescription) -> DatasetDescription:
        """Return the description whose labels networks learn; a run stores it and predicts with it."""
        return description if self.regions else description.without_regions()

    def configuration(self, name: str) -> Configuration:
        """Return the configuration with that name.

        Raises:
            NnplugError: the plans have no such configuration; the message lists their configurations.
        """
        if name not in self.configurations:
            hint = did_you_mean(name, self.configurations)
            message = f"plans {self.name!r} have {', '.join(self.configurations)}, not {name!r}. {hint}"
            raise NnplugError(message.rstrip())
        return self.configurations[name]

    def chain(self, name: str) -> tuple[str, ...]:
        """Return the stages of a cascade up to a configuration, first stage first; without a cascade, only itself.

        Raises:
            NnplugError: as in `configuration`.
        """
        previous = self.configuration(name).previous_stage
        return (name,) if previous is None else (*self.chain(previous), name)

    def next_stages(self, name: str) -> tuple[str, ...]:
        """Return the configurations whose previous stage is this one."""
        return tuple(n for n, configuration in self.configurations.items() if configuration.previous_stage == name)

    def store_name(self, name: str) -> str:
        """Return the first configuration with the same preprocessed cases; a cascade shares those of 3d_fullres."""
        own = self.configuration(name)
        keys = ("spacing", "normalization", "resampling")
        return next(n for n, c in self.configurations.items() if all(getattr(c, k) == getattr(own, k) for k in keys))

    def only(self, name: str) -> Plans:
        """Return the plans with only a configuration and its previous stages.

        Raises:
            NnplugError: as in `configuration`.
        """
        chain = self.chain(name)
        kept = {n: self.configuration(n) for n in chain}
        last = {name: msgspec.structs.replace(kept[name], next_stage=None)}
        return msgspec.structs.replace(self, configurations={**kept, **last})

    def choice(self, kind: Kind) -> Choice:
        """Return the chosen component of a kind.

        Raises:
            NnplugError: the plans choose none.
        """
        if kind not in self.choices:
            raise NnplugError(f"plans {self.name!r} choose no {kind}", Action.PLAN())
        return self.choices[kind]

    def decisions(self) -> dict[str, Any]:
        """Return the plans as JSON data without what a run does not depend on: providers, and facts of the dataset."""
        others = ("providers", "orientations", "channel_names")
        return {key: value for key, value in self.data().items() if key not in others}

    def digest(self) -> str:
        """Return a short hash of all decisions. Runs record it, so that a rerun can detect changes."""
        return hashlib.sha256(json.dumps(self.decisions(), sort_keys=True).encode()).hexdigest()[:16]


def inherit(configurations: Mapping[str, Any], name: str, where: str, seen: tuple[str, ...] = ()) -> Any:
    """Return a configuration as JSON data, merged with its `inherits_from` chain; the child's values win.

    Raises:
        InvalidFile: a configuration of the chain is missing, or the chain is a circle; the message names `where`.
    """
    if name not in configurations:
        wanted = f"{seen[-1]!r} inherits from {name!r}, which is" if seen else f"{name!r} is"
        raise InvalidFile(f"{where}: configuration {wanted} not there; there are {', '.join(configurations)}")
    if name in seen:
        raise InvalidFile(f"{where}: configurations {' -> '.join((*seen, name))} inherit from each other")
    own = configurations[name]
    if not isinstance(own, dict) or "inherits_from" not in own:
        return own
    parent = inherit(configurations, str(own["inherits_from"]), where, (*seen, name))
    return {**parent, **{key: value for key, value in own.items() if key != "inherits_from"}}


def _check(plans: Plans, where: str) -> None:
    """Raise `InvalidFile` if values contradict each other, since users edit the file by hand."""
    check_names(plans.name, plans.configurations, where)
    kinds = [str(kind) for kind in Kind if kind.planned]
    if unknown := sorted(set(plans.choices) - set(kinds)):
        raise InvalidFile(f"{where}: choices name the unknown kind {unknown[0]!r}. Kinds are {', '.join(kinds)}.")
    if [plans.transpose_forward[axis] for axis in plans.transpose_backward if axis in range(3)] != [0, 1, 2]:
        raise InvalidFile(
            f"{where}: transpose_backward {list(plans.transpose_backward)} does not undo "
            f"transpose_forward {list(plans.transpose_forward)}"
        )
    for name, configuration in plans.configurations.items():
        _check_configuration(configuration, plans, f"{where}: configuration {name!r}")
    for name in plans.configurations:
        _check_chain(name, plans, where)


def _check_configuration(configuration: Configuration, plans: Plans, where: str) -> None:
    for key in ("spacing", "patch_size", "median_shape"):
        values = getattr(configuration, key)
        if len(values) not in (2, 3) or len(values) != configuration.dimensions or not min(values) > 0:
            raise InvalidFile(
                f"{where}: {key} is {list(values)}; expected 2 or 3 numbers above 0, as many as in all keys"
            )
    if configuration.batch_size < 1:
        raise InvalidFile(f"{where}: batch_size is {configuration.batch_size}; expected at least 1")
    for key in ("next_stage", "previous_stage"):
        other = getattr(configuration, key)
        if other is not None and other not in plans.configurations:
            raise InvalidFile(f"{where}: {key} is {other!r}, which the plans do not have")


def _check_chain(name: str, plans: Plans, where: str) -> None:
    chain, previous = [name], plans.configurations[name].previous_stage
    while previous is not None:
        if previous in chain:
            raise InvalidFile(f"{where}: configurations {' -> '.join((*chain, previous))} refine each other")
        chain.append(previous)
        previous = plans.configurations[previous].previous_stage


def read_plans(path: Path) -> Plans:
    """Return the plans in a file.

    Raises:
        InvalidFile: the file cannot be read, or as in `Plans.from_data`.
    """
    return Plans.from_data(read_json(path), str(path))
