"""Measure label maps by metrics, check what the metrics return, and record which metrics they were."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from nnplug.contracts import Figures, Metric, RankedFigure
from nnplug.dataset.labels import Labels
from nnplug.registry.attribution import attributed, broken, expect, origin_of

if TYPE_CHECKING:
    from nnplug.arrays import LabelArray

METRICS_KEY = "metrics"
"""The key of a summary with a record per metric."""

CORE = "nnplug-core"


def measure(
    metric: Metric, reference: LabelArray, prediction: LabelArray, labels: Labels, *, spacing: Sequence[float]
) -> Mapping[str, Figures]:
    """Return the figures of a label map; arguments are those of `nnplug.contracts.Metric.measure`.

    Raises:
        ComponentFailed: the metric failed.
        InvalidPlugin: a figure is missing or no number, for a class or region.
    """
    with attributed(metric):
        measured = metric.measure(reference, prediction, labels, spacing=spacing)
    return _checked(metric, measured, labels)


def signed_figure(
    figure: RankedFigure, reference: LabelArray, prediction: LabelArray, labels: Labels, *, spacing: Sequence[float]
) -> dict[str, float]:
    """Return class or region, as in `labels.keys` -> its figure; the sign makes higher values the better ones.

    Arguments after the first, and errors, are those of `measure`.
    """
    measured = measure(figure.metric, reference, prediction, labels, spacing=spacing)
    return {key: figure.sign * float(measured[key][figure.figure]) for key in labels.keys}


def metric_records(metrics: Iterable[Metric]) -> list[dict[str, Any]]:
    """Return a record per metric: target, distribution, version, its name if an entry made it, and changed options."""
    return [_record(metric) for metric in metrics]


def _record(metric: Metric) -> dict[str, Any]:
    origin, made = origin_of(metric), type(metric)
    known = {"name": origin.name} if origin and origin.name else {}
    options = _changed_options(metric)
    return {
        **known,
        "target": f"{made.__module__}:{made.__qualname__}",
        "distribution": origin.distribution if origin else _distribution(made),
        "version": origin.version if origin else _version(made),
        **({"options": options} if options else {}),
    }


def _distribution(made: type) -> str | None:
    """Return the distribution of a metric that no entry made: the core's default, or None for a class of a script."""
    return CORE if made.__module__.partition(".")[0] == "nnplug" else None


def _version(made: type) -> str | None:
    return version(CORE) if _distribution(made) else None


def _changed_options(metric: Any) -> dict[str, Any]:
    """Return the options of a data class that differ from their defaults, as JSON values or else as text."""
    if not dataclasses.is_dataclass(metric):
        return {}
    values = {field.name: (getattr(metric, field.name), field.default) for field in dataclasses.fields(metric)}
    return {
        name: value if isinstance(value, bool | int | float | str | None) else str(value)
        for name, (value, default) in values.items()
        if value != default
    }


def _checked(metric: Metric, measured: Any, labels: Labels) -> Mapping[str, Figures]:
    """Return what a metric measured, if it has all of its figures as numbers for every class or region.

    Raises:
        InvalidPlugin: it has not.
    """
    scores: Mapping[str, Any] = expect(metric, measured, Mapping)  # type: ignore[type-abstract]
    if set(scores) != set(labels.keys):
        raise broken(metric, f"gave figures for {_listed(scores)}; expected {_listed(labels.keys)}")
    for key, values in scores.items():
        figures: Mapping[str, Any] = expect(metric, values, Mapping)  # type: ignore[type-abstract]
        if set(figures) != set(metric.figures):
            raise broken(metric, f"gave {_listed(figures)} for {key}; expected {_listed(metric.figures)}")
        for name, value in figures.items():
            if not isinstance(value, int | float):
                raise broken(metric, f"gave {value!r} as {name} of {key}; expected a number")
    return scores


def _listed(names: Iterable[object]) -> str:
    return ", ".join(map(str, names)) or "nothing"
