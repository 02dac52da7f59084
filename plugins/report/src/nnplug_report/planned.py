"""Put plans into words: what was decided, and the measurements beside it. Only fields of the plans are read.

No component has words of its own here: its name comes from the plans, its one-line summary from its entry.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from nnplug.plans.fingerprint import Fingerprint
from nnplug.plans.plans import Configuration, Normalization, Plans, SplineOrders
from nnplug.registry.components import Kind, Registry
from nnplug.words import by_axis

_ORDERS = {0: "nearest neighbour", 1: "linear", 2: "quadratic", 3: "cubic"}
_AXES = "zyx"
_THICK = 1.5
"""The ratio of spacings above which the difference is told."""


@dataclass(frozen=True)
class Decision:
    """A decision of the plans: what was decided, the value, and the reason or the measurement beside it."""

    what: str
    value: str
    why: str = ""


@dataclass(frozen=True)
class PlannedConfiguration:
    """The decisions of one configuration, and the options of its network."""

    name: str
    decisions: tuple[Decision, ...]
    network: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ChosenComponent:
    """A component that the plans name, with its own one-line summary if it is installed, and its options."""

    kind: str
    name: str
    source: str
    summary: str
    options: tuple[tuple[str, str], ...]


def describe_configuration(
    plans: Plans, name: str, channels: Sequence[str], fingerprint: Fingerprint | None, registry: Registry
) -> PlannedConfiguration:
    """Return the decisions of a configuration in words.

    Args:
        plans: the plans.
        name: the name of the configuration.
        channels: the names of the channels; missing ones are numbered.
        fingerprint: the measurements that the plans were made from; None if they are unknown.
        registry: the installed components, for their summaries.
    """
    own = plans.configuration(name)
    axes = "".join(_AXES[axis] for axis in plans.transpose_forward)[-own.dimensions :]
    order = ", ".join(axes)
    decisions = [
        *_stages(plans, name, own),
        Decision(f"Voxel spacing ({order})", f"{by_axis(own.spacing, 4)} mm", _spacing_why(plans, own, fingerprint)),
        Decision(f"Patch ({order})", f"{by_axis(own.patch_size)} voxels", _patch_why(own)),
        Decision("Batch", f"{own.batch_size} patches per training step", _batch_why(own)),
        Decision("Resampling", *_resampling(own)),
        *(_normalization(plans, index, one, channels, registry) for index, one in enumerate(own.normalization)),
        Decision("Network", own.architecture.name, _summary(registry, Kind.ARCHITECTURE, own.architecture.name)),
    ]
    return PlannedConfiguration(name, tuple(decisions), _options(own.architecture.options))


def describe_data(plans: Plans, channels: Sequence[str], fingerprint: Fingerprint | None) -> tuple[Decision, ...]:
    """Return what was measured before planning, in words."""
    told = [
        Decision("Median spacing", f"{by_axis(plans.median_spacing, 4)} mm", "axes in the order of the network"),
        Decision(
            "Median size after cropping", f"{by_axis(plans.median_shape, 4)} voxels", "axes in the order of the network"
        ),
    ]
    if fingerprint is not None:
        told += _measured(fingerprint)
    if plans.orientations:
        counts = ", ".join(f"{name} in {count}" for name, count in plans.orientations.items())
        told.append(Decision("Orientation of the images", counts, "the sides that the axes x, y, z point to"))
    for index, one in plans.intensity.items():
        name = _channel(int(index), channels)
        value = f"mean {one.mean:.4g}, standard deviation {one.std:.4g}"
        why = f"99 % of the voxels are between {one.percentile_00_5:.4g} and {one.percentile_99_5:.4g}"
        told.append(Decision(f"Foreground intensities of {name}", value, why))
    return tuple(told)


def describe_components(plans: Plans, registry: Registry) -> tuple[ChosenComponent, ...]:
    """Return the components that the plans name, in the order of kinds."""
    sources = {(str(one.kind), one.name): f"{one.distribution} {one.version}" for one in plans.providers}
    chosen = []
    for kind in Kind:
        if (choice := plans.choices.get(kind)) is not None:
            source = sources.get((str(kind), choice.name), "unknown")
            summary = _summary(registry, kind, choice.name)
            chosen.append(ChosenComponent(str(kind), choice.name, source, summary, _options(choice.options)))
    return tuple(chosen)


def _measured(fingerprint: Fingerprint) -> list[Decision]:
    spacings, shapes = fingerprint.spacings, fingerprint.shapes_after_crop
    cropped = 1 - fingerprint.median_relative_size_after_cropping
    return [
        Decision("Cases measured", str(len(spacings))),
        Decision("Spacing of the images (z, y, x)", f"{_range(spacings)} mm"),
        Decision("Size of the images after cropping (z, y, x)", f"{_range(shapes)} voxels"),
        Decision("Cut off by cropping", f"{100 * cropped:.0f} %", "in the median image: what is zero around the body"),
    ]


def _stages(plans: Plans, name: str, own: Configuration) -> list[Decision]:
    told = []
    if own.previous_stage is not None:
        why = f"its label map is an additional input; stages: {' → '.join(plans.chain(name))}"
        told.append(Decision("Cascade", f"refines the predictions of {own.previous_stage}", why))
    if after := plans.next_stages(name):
        told.append(Decision("Cascade", f"is refined by {', '.join(after)}"))
    return told


def _spacing_why(plans: Plans, own: Configuration, fingerprint: Fingerprint | None) -> str:
    told = [f"the median of the images is {by_axis(plans.median_spacing, 4)} mm"]
    if fingerprint is not None:
        told.append(f"they range (z, y, x) over {_range(fingerprint.spacings)} mm")
    coarse, fine = max(own.spacing), min(own.spacing)
    if coarse > _THICK * fine:
        told.append(f"voxels are {coarse / fine:.1f} times longer along one axis than along another")
    return "; ".join(told)


def _patch_why(own: Configuration) -> str:
    sizes = [voxels * step for voxels, step in zip(own.patch_size, own.spacing, strict=True)]
    shares = [min(1.0, patch / whole) for patch, whole in zip(own.patch_size, own.median_shape, strict=True)]
    percent = " x ".join(f"{100 * share:.0f} %" for share in shares)
    return (
        f"the network sees {by_axis(sizes, 4)} mm at once: {percent} of the median image, which has "
        f"{by_axis(own.median_shape, 4)} voxels at this spacing"
    )


def _batch_why(own: Configuration) -> str:
    return (
        "the Dice loss counts all patches of a batch together"
        if own.batch_dice
        else "each patch has a Dice loss of its own"
    )


def _resampling(own: Configuration) -> tuple[str, str]:
    used = own.resampling
    told = f"images {_order(used.image)}, label maps {_order(used.label)}, predictions {_order(used.probability)}"
    separate = used.image.force_separate_z
    why = {None: "thick slices are resampled one by one", True: "slices are resampled one by one", False: ""}[separate]
    return told, why


def _order(orders: SplineOrders) -> str:
    return _ORDERS.get(orders.order, f"of order {orders.order}")


def _normalization(
    plans: Plans, index: int, one: Normalization, channels: Sequence[str], registry: Registry
) -> Decision:
    what = f"Normalisation of {_channel(index, channels)}"
    masked = " inside the nonzero mask" if one.use_mask else ""
    told = [_summary(registry, Kind.NORMALIZER, one.name)]
    told += (
        [f"options: {', '.join(f'{key} = {value}' for key, value in _options(one.options or {}))}"]
        if one.options
        else []
    )
    if (known := plans.intensity.get(str(index))) is not None:
        told.append(f"foreground of the training images: mean {known.mean:.4g}, standard deviation {known.std:.4g}")
    return Decision(what, f"{one.name}{masked}", "; ".join(filter(None, told)))


def _channel(index: int, channels: Sequence[str]) -> str:
    return f"channel {channels[index]!r}" if index < len(channels) else f"channel {index}"


def _summary(registry: Registry, kind: Kind, name: str) -> str:
    found = registry.find(kind, name)
    return found[0].component.summary if found else ""


def _options(options: Any) -> tuple[tuple[str, str], ...]:
    return tuple((str(key), value if isinstance(value, str) else json.dumps(value)) for key, value in options.items())


def _range(rows: Sequence[Sequence[float]]) -> str:
    """Return the range of each axis over cases, with the median if they differ."""
    parts = []
    for column in zip(*rows, strict=True):
        low, high = min(column), max(column)
        parts.append(f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g} (median {median(column):.4g})")
    return " x ".join(parts)
