"""Summaries of figures: means over cases and classes, in the format of nnU-Net's `summary.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nnplug.contracts import Figures
from nnplug.ops.metrics import mean_metrics

Summary = dict[str, Any]
"""`foreground_mean`, `mean` (label key -> metrics) and `metric_per_case`."""


def summarise(metrics: Sequence[Mapping[str, Figures]]) -> Summary:
    """Return the means over cases and over classes, from one mapping of label key to figures per case."""
    mean = {key: mean_metrics([case[key] for case in metrics], skip_nan=True) for key in metrics[0]}
    return {"foreground_mean": mean_metrics(list(mean.values()), skip_nan=False), "mean": mean}


def defined(summary: Summary) -> Summary:
    """Return a summary without NaN: None stands for it, and the mean over classes is that of the classes with a value.

    nnU-Net writes NaN, which is not JSON, and its mean is NaN if one class has no case.
    """
    classes = list(summary["mean"].values())
    whole = {"foreground_mean": mean_metrics(classes, skip_nan=True)} if classes else {}
    found: Summary = _without_nan({**summary, **whole})
    return found


def undefined_classes(summary: Summary) -> tuple[str, ...]:
    """Return the keys of the classes for which a figure has no value in any case."""
    return tuple(key for key, figures in summary["mean"].items() if any(map(_is_nan, figures.values())))


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if _is_nan(value) else value


def _is_nan(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
