"""Summaries of figures: means over cases and classes, in the format of nnU-Net's `summary.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from nnplug.contracts import Figures
from nnplug.errors import InvalidFile
from nnplug.ops.metrics import mean_metrics
from nnplug.runtime.json_files import read_object, write_json
from nnplug.runtime.records import converted

Summary = dict[str, Any]
"""`foreground_mean`, `mean` (label key -> metrics), `metric_per_case` and, of what nnplug writes, `metrics`."""


class _Case(msgspec.Struct):
    """The required keys of a case in a summary."""

    metrics: dict[str, dict[str, float | None]]
    prediction_file: str
    reference_file: str


class _Summary(msgspec.Struct):
    """The keys of a summary that are read; other keys may be there."""

    metric_per_case: list[_Case]
    foreground_mean: dict[str, float | None] = {}
    mean: dict[str, dict[str, float | None]] = {}


def read_summary(path: Path, keys: Sequence[str] = ()) -> Summary:
    """Return the summary in a file of nnplug or nnU-Net; None in it stands for NaN, which becomes NaN.

    Args:
        path: the file.
        keys: the keys of the classes and regions that it must have, with a Dice.

    Raises:
        InvalidFile: the file cannot be read, a key is missing, or a value has another type.
    """
    summary = read_object(path)
    converted(summary, _Summary, str(path))
    for key in keys:
        for means in ({key: summary.get("foreground_mean", {})}, summary.get("mean", {})):
            if "Dice" not in means.get(key, {}):
                raise InvalidFile(f"{path}: has no Dice of {key!r}; score the predictions again")
    found: Summary = _with_nan(summary)
    return found


def write_summary(path: Path, summary: Summary) -> None:
    """Write a summary without NaN, which JSON does not have; see `defined`. `read_summary` reads it."""
    write_json(path, defined(summary))


def _with_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_nan(item) for item in value]
    return math.nan if value is None else value


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
