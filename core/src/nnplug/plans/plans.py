"""Plans: every decision made from the data, as one JSON file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from nnplug.errors import InvalidFile, NnplugError, did_you_mean
from nnplug.plans.fingerprint import IntensityStats
from nnplug.registry.components import Kind
from nnplug.registry.provenance import Provider
from nnplug.remedies import Action
from nnplug.runtime.files import read_json
from nnplug.runtime.records import Record

if TYPE_CHECKING:
    from nnplug.dataset.dataset import DatasetDescription
    from nnplug.dataset.labels import Labels

SCHEMA = 1


class Choice(Record, frozen=True, kw_only=True):
    """A component by name, and its options. The core never reads the options."""

    name: str
    options: dict[str, Any] = msgspec.field(default_factory=dict)


class Normalization(Record, frozen=True, kw_only=True):
    """The normalisation of one channel.

    Attributes:
        name: of the normalizer.
        use_mask: whether only voxels inside the nonzero mask count.
        options: of the normalizer; None for its defaults. The core never reads them.
    """

    name: str
    use_mask: bool
    options: dict[str, Any] | None = None


class Resampler(Record, frozen=True, kw_only=True):
    """Spline orders of a resampling.

    Attributes:
        order: spline order in plane, or in all axes where slices are not separated.
        order_z: spline order across slices where they are separated; only 0, nearest.
        force_separate_z: True or False overrides the rule "one axis is more than 3 times coarser".
    """

    order: int
    order_z: int = 0
    force_separate_z: bool | None = None


class Resampling(Record, frozen=True, kw_only=True):
    """The resampling of images, label maps and predicted logits."""

    image: Resampler = Resampler(order=3)
    label: Resampler = Resampler(order=1)
    probability: Resampler = Resampler(order=1)


class Configuration(Record, frozen=True, kw_only=True):
    """One resolution and network: 2d, 3d_fullres, 3d_lowres or 3d_cascade_fullres. Axes are transposed.

    Attributes:
        spacing: target spacing in mm, (z, y, x), or (y, x) in 2d.
        patch_size: voxels, as many axes as `spacing`.
        batch_size: patches per iteration.
        median_shape: median image size at `spacing`, in voxels.
        normalization: one per channel, in the order of the channels.
        resampling: spline orders for images, labels and logits.
        batch_dice: whether the Dice loss sums over the batch.
        architecture: network by name, with the options that the planner chose.
        next_stage: the configuration that refines this one's prediction.
        previous_stage: the configuration whose prediction this one gets as extra channels.
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
        """2 or 3."""
        return len(self.patch_size)

    def previous_labels(self, labels: Labels) -> tuple[int, ...]:
        """The values of the previous stage's label map that the network gets as a channel each; none without one."""
        return () if self.previous_stage is None else labels.foreground_values

    def input_channels(self, description: DatasetDescription) -> int:
        """Return the number of input channels: those of the image and those of the previous stage."""
        return len(description.channel_names) + len(self.previous_labels(description.labels))


class Plans(Record, frozen=True, kw_only=True):
    """The decisions of planning; with the data they determine a run.

    Attributes:
        schema: version of this layout.
        dataset: the dataset's name.
        name: the plans' name: several plans of one dataset live beside each other.
        recipe: what `choices` was expanded from; never read again.
        choices: kind -> component, for extractor, planner, preprocessor, augmenter, trainer and postprocessor. Plans
            of an older nnplug name no preprocessor, see `nnplug.preparation.preprocessing`.
        transpose_forward: order in which the image's (z, y, x) axes are taken.
        transpose_backward: the inverse of `transpose_forward`.
        median_spacing: of the dataset, transposed, mm.
        median_shape: of the dataset after cropping, transposed, voxels.
        intensity: channel index as text -> foreground statistics.
        configurations: name -> configuration.
        regions: whether networks learn the regions of `dataset.json` where it has some, or the classes in them.
        providers: which component of which distribution each name meant when the plans were made.
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

    @classmethod
    def from_data(cls, data: Any, where: str) -> Self:
        """Build from JSON; `inherits_from` is resolved.

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
        """`dataset.json` as networks learn it, which is what a run keeps and predicts with."""
        return description if self.regions else description.without_regions()

    def configuration(self, name: str) -> Configuration:
        """The configuration with that name.

        Raises:
            NnplugError: the plans have none; the message lists those they have.
        """
        if name not in self.configurations:
            hint = did_you_mean(name, self.configurations)
            message = f"plans {self.name!r} have {', '.join(self.configurations)}, not {name!r}. {hint}"
            raise NnplugError(message.rstrip())
        return self.configurations[name]

    def chain(self, name: str) -> tuple[str, ...]:
        """The configuration, itself last, and those that lead to it: each gets the prediction of the one before.

        Raises:
            NnplugError: as `configuration` does.
        """
        previous = self.configuration(name).previous_stage
        return (name,) if previous is None else (*self.chain(previous), name)

    def next_stages(self, name: str) -> tuple[str, ...]:
        """The configurations that get this one's prediction."""
        return tuple(n for n, configuration in self.configurations.items() if configuration.previous_stage == name)

    def store_name(self, name: str) -> str:
        """The first configuration whose preprocessed cases are the same: a cascade shares those of full resolution."""
        own = self.configuration(name)
        keys = ("spacing", "normalization", "resampling")
        return next(n for n, c in self.configurations.items() if all(getattr(c, k) == getattr(own, k) for k in keys))

    def only(self, name: str) -> Plans:
        """These plans with no configuration but that one and those that lead to it; raises as `chain` does."""
        chain = self.chain(name)
        kept = {n: self.configuration(n) for n in chain}
        last = {name: msgspec.structs.replace(kept[name], next_stage=None)}
        return msgspec.structs.replace(self, configurations={**kept, **last})

    def choice(self, kind: Kind) -> Choice:
        """The chosen component of a kind."""
        if kind not in self.choices:
            raise NnplugError(f"plans {self.name!r} choose no {kind}", Action.PLAN())
        return self.choices[kind]

    def decisions(self) -> dict[str, Any]:
        """The plans as JSON without the providers: what a run is does not depend on their versions."""
        return {key: value for key, value in self.data().items() if key != "providers"}

    def digest(self) -> str:
        """A short hash of all decisions; runs record it, so that a rerun sees what has changed."""
        return hashlib.sha256(json.dumps(self.decisions(), sort_keys=True).encode()).hexdigest()[:16]


def inherit(configurations: Mapping[str, Any], name: str, where: str, seen: tuple[str, ...] = ()) -> Any:
    """A configuration as JSON with its `inherits_from` chain merged in, the child's values winning."""
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
    """Refuse what has the right types and cannot be: files are edited by hand."""
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
    """Read `plans.json`; raises `InvalidFile` as `Plans.from_data` does."""
    return Plans.from_data(read_json(path), str(path))
