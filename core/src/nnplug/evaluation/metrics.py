"""Metrics by name, and the one that nnU-Net's `summary.json` is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from nnplug.contracts import Better, Figures, Metric
from nnplug.errors import InvalidOptions
from nnplug.ops.metrics import METRICS, confusion, overlap
from nnplug.registry.components import AnyEntry, Kind, Registry

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nnplug.dataset.labels import Labels


@dataclass(frozen=True)
class Overlap(Metric):
    """Dice, IoU and voxel counts, in nnU-Net's spelling and with its rule: NaN where neither map holds a class."""

    figures: ClassVar[tuple[str, ...]] = METRICS
    ranked: ClassVar[Mapping[str, Better]] = {"Dice": "higher"}

    def measure(
        self,
        reference: npt.NDArray[np.integer[Any]],
        prediction: npt.NDArray[np.integer[Any]],
        labels: Labels,
        *,
        spacing: Sequence[float],  # noqa: ARG002 - counts have none
    ) -> Mapping[str, Figures]:
        """Count all classes and regions in one pass; see `nnplug.contracts.Metric`."""
        values = labels.all_values
        counts = confusion(reference, prediction, values, ignore=labels.ignore)
        regions = zip(labels.keys, labels.foreground, strict=True)
        return {key: overlap(counts, values, region) for key, region in regions}


DEFAULT_METRICS: tuple[Metric, ...] = (Overlap(),)
"""What validation and `nnplug evaluate` measure unless others are named."""


def make_metrics(names: Sequence[str], options: Mapping[str, Any], registry: Registry) -> tuple[Metric, ...]:
    """Build metrics by name.

    Args:
        names: of components of kind "metric", each once.
        options: option -> value; each goes to every metric that has it.
        registry: where they are looked up.

    Raises:
        UnknownComponent, AmbiguousComponent: a name is offered by nobody, or by several distributions.
        InvalidOptions: no metric has an option of that name, its value does not suit, or two metrics give one figure.
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
    """One figure, one meaning: a summary has no place for two."""
    giver: dict[str, str] = {}
    for entry, metric in zip(entries, metrics, strict=True):
        for figure in metric.figures:
            if figure in giver:
                raise InvalidOptions(
                    f"metrics {giver[figure]!r} and {entry.name!r} both give {figure!r}; write them to a file each"
                )
            giver[figure] = entry.name
