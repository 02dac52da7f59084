"""Make metrics by name; and the metric with the figures of nnU-Net's `summary.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from nnplug.contracts import Better, Figures, Metric
from nnplug.errors import InvalidOptions
from nnplug.ops.metrics import OVERLAP_METRICS, confusion, overlap
from nnplug.registry.components import AnyEntry, Kind, Registry

if TYPE_CHECKING:
    from nnplug.arrays import LabelArray
    from nnplug.dataset.labels import Labels


@dataclass(frozen=True)
class Overlap(Metric):
    """Dice, IoU and voxel counts, in nnU-Net's spelling and with its rule: NaN if neither map has a class."""

    figures: ClassVar[tuple[str, ...]] = OVERLAP_METRICS
    ranked: ClassVar[Mapping[str, Better]] = {"Dice": "higher"}

    def measure(
        self,
        reference: LabelArray,
        prediction: LabelArray,
        labels: Labels,
        *,
        spacing: Sequence[float],  # noqa: ARG002 - counts have none
    ) -> Mapping[str, Figures]:
        """Return the figures of all classes and regions, counted in one pass; see `nnplug.contracts.Metric`."""
        values = labels.all_values
        counts = confusion(reference, prediction, values, ignore=labels.ignore)
        regions = zip(labels.keys, labels.foreground, strict=True)
        return {key: overlap(counts, values, region) for key, region in regions}


DEFAULT_METRICS: tuple[Metric, ...] = (Overlap(),)
"""The metrics of validation, and of `nnplug evaluate` if the user names none."""


def make_metrics(names: Sequence[str], options: Mapping[str, Any], registry: Registry) -> tuple[Metric, ...]:
    """Return metrics by name.

    Args:
        names: names of components of kind "metric"; repeated names count once.
        options: option -> value; every metric that has the option gets it.
        registry: the registry with the metrics.

    Raises:
        UnknownComponent, AmbiguousComponent: no distribution offers a name, or several do.
        InvalidOptions: no metric has an option, its value is invalid, or two metrics have a figure of one name.
    """
    entries = [registry.get(Kind.METRIC, name) for name in dict.fromkeys(names)]
    own = [{key: options[key] for key in _options(entry) if key in options} for entry in entries]
    for key in options:
        if not any(key in chosen for chosen in own):
            known = sorted({name for entry in entries for name in _options(entry)})
            raise InvalidOptions(f"no metric of {', '.join(names)} has an option {key!r}; known: {known or 'none'}")
    metrics = tuple(entry.create(chosen) for entry, chosen in zip(entries, own, strict=True))
    _check_figures(entries, metrics)
    return metrics


def _options(entry: AnyEntry) -> list[str]:
    return [name for name, _, _ in entry.options()]


def _check_figures(entries: Sequence[AnyEntry], metrics: Sequence[Metric]) -> None:
    """Raise `InvalidOptions` if two metrics have a figure of one name, since a summary can store only one."""
    giver: dict[str, str] = {}
    for entry, metric in zip(entries, metrics, strict=True):
        for figure in metric.figures:
            if figure in giver:
                raise InvalidOptions(
                    f"metrics {giver[figure]!r} and {entry.name!r} both give {figure!r}; write them to a file each"
                )
            giver[figure] = entry.name
