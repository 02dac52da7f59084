"""Score label maps against references, in the format of nnU-Net's `summary.json`.

The metrics decide the figures of a summary; the default figures are nnU-Net's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nnplug.contracts import Figures, Metric
from nnplug.dataset.dataset import FILE_ENDINGS, DatasetDescription
from nnplug.dataset.labels import BACKGROUND, Labels
from nnplug.errors import InvalidFile, NnplugError, Problems
from nnplug.evaluation.metrics import DEFAULT_METRICS
from nnplug.io.images import LabelMap, read_label
from nnplug.ops.metrics import mean_metrics
from nnplug.registry.attribution import attributed, broken, expect
from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress

Summary = dict[str, Any]
"""`foreground_mean`, `mean` (label key -> metrics) and `metric_per_case`."""

Pair = tuple[Path, Path]
"""A prediction and its reference."""


def evaluate(
    references: Path,
    predictions: Path,
    description: DatasetDescription | None,
    *,
    executor: Executor,
    progress: Progress,
    metrics: Sequence[Metric] = DEFAULT_METRICS,
    partial: bool = False,
) -> Summary:
    """Return the summary of all label maps in a folder.

    Args:
        references: a folder of label maps, CASE with the file ending.
        predictions: a folder of label maps with the same names.
        description: labels, regions, ignore label and file ending. If it is None, every label value above 0 in any file
            is a class, and file endings may differ.
        executor: reads and scores cases in parallel.
        progress: receives the progress.
        metrics: the metrics; see `nnplug.evaluation.metrics.make_metrics`.
        partial: whether references without a prediction are left out. If not, they are an error.

    Returns:
        The summary: figures per case, their means over cases without NaN, and the mean of those over classes.

    Raises:
        NnplugError: a folder is missing or has no label maps, or no label value above 0 is found.
        Problems: cases lack their prediction or reference, or files cannot be compared; a line each.
    """
    pairs = find_pairs(references, predictions, description, partial=partial)
    if description is not None:
        return evaluate_cases(pairs, description, executor=executor, progress=progress, metrics=metrics)
    return _score(pairs, _labels_found(pairs, executor), metrics, executor, progress)


def evaluate_cases(
    pairs: Sequence[Pair],
    description: DatasetDescription,
    *,
    executor: Executor,
    progress: Progress,
    metrics: Sequence[Metric] = DEFAULT_METRICS,
) -> Summary:
    """Return the summary of pairs of prediction and reference; see `evaluate`."""
    return _score(pairs, description.labels, metrics, executor, progress)


def find_description(dataset_json: Path | None, predictions: Path) -> DatasetDescription | None:
    """Return the description that the user names, or else the `dataset.json` in the folder of predictions, or None."""
    beside = predictions / "dataset.json"
    chosen = dataset_json or (beside if beside.is_file() else None)
    return None if chosen is None else DatasetDescription.read(chosen)


def find_pairs(
    references: Path, predictions: Path, description: DatasetDescription | None, *, partial: bool = False
) -> list[Pair]:
    """Return predictions with their references, sorted by case name.

    Raises:
        NnplugError, Problems: as in `evaluate`.
    """
    endings = FILE_ENDINGS if description is None else (description.file_ending,)
    wanted, given = label_files(references, endings), label_files(predictions, endings)
    absent = () if partial else wanted.keys() - given.keys()
    lines = [f"{wanted[name]}: has no prediction in {predictions}" for name in sorted(absent)]
    lines += [f"{given[name]}: has no reference in {references}" for name in sorted(given.keys() - wanted.keys())]
    if lines:
        raise Problems(lines)
    return [(file, wanted[name]) for name, file in given.items()]


def label_files(folder: Path, endings: Sequence[str]) -> dict[str, Path]:
    """Return case name -> file of every label map in a folder, sorted.

    Raises:
        NnplugError: the folder is missing, or has no label maps.
    """
    if not folder.is_dir():
        raise NnplugError(f"{folder}: no such folder; give a folder of label maps")
    files = {}
    for file in sorted(folder.iterdir()):
        ending = next((e for e in endings if file.name.endswith(e)), None)
        if ending and not file.name.startswith("."):
            files[file.name.removesuffix(ending)] = file
    if not files:
        raise NnplugError(f"{folder}: holds no label maps; expected files that end in {', '.join(endings)}")
    return files


def read_pair(prediction: Path, reference: Path) -> tuple[LabelMap, LabelMap]:
    """Return a prediction and its reference.

    Raises:
        InvalidFile: a file cannot be read, or their shapes differ.
    """
    predicted, expected = read_label(prediction), read_label(reference)
    if predicted.array.shape != expected.array.shape:
        raise InvalidFile(
            f"{prediction}: has shape {predicted.array.shape}, its reference {reference} has {expected.array.shape} "
            "(z, y, x); predict the image that the reference belongs to"
        )
    return predicted, expected


def summarise(metrics: Sequence[Mapping[str, Figures]]) -> Summary:
    """Return the means over cases and over classes, from one mapping of label key to figures per case."""
    mean = {key: mean_metrics([case[key] for case in metrics], skip_nan=True) for key in metrics[0]}
    return {"foreground_mean": mean_metrics(list(mean.values()), skip_nan=False), "mean": mean}


def _score(
    pairs: Sequence[Pair], labels: Labels, metrics: Sequence[Metric], executor: Executor, progress: Progress
) -> Summary:
    score = partial(_measure, labels=labels, metrics=tuple(metrics))
    scores = []
    with progress.task("evaluate", len(pairs)) as advance:
        for pair, result in zip(pairs, executor.map(score, pairs, stage="evaluate", name=_name), strict=True):
            scores.append(result)
            advance(pair[0].name)
    per_case = [
        {"metrics": case, "prediction_file": str(prediction), "reference_file": str(reference)}
        for case, (prediction, reference) in zip(scores, pairs, strict=True)
    ]
    return {**summarise(scores), "metric_per_case": per_case}


def _measure(pair: Pair, *, labels: Labels, metrics: Sequence[Metric]) -> dict[str, Figures]:
    """Return all figures of one case. Its files are read once for all metrics."""
    predicted, expected = read_pair(*pair)
    figures: dict[str, Figures] = {}
    for metric in metrics:
        with attributed(metric):
            measured = metric.measure(expected.array, predicted.array, labels, spacing=expected.geometry.spacing)
        for key, values in _checked(metric, measured, labels).items():
            figures[key] = {**figures.get(key, {}), **values}
    return figures


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


def _labels_found(pairs: Sequence[Pair], executor: Executor) -> Labels:
    """Return every label value above 0 in the files as a class."""
    files = [file for pair in pairs for file in pair]
    found = executor.map(_values, files, stage="evaluate")
    values = sorted({value for case in found for value in case} - {0})
    if not values:
        raise NnplugError(f"{pairs[0][0].parent}: predictions and references hold background only; nothing to score")
    return Labels({"background": BACKGROUND, **{str(value): (value,) for value in values}})


def _values(file: Path) -> list[int]:
    values: list[int] = np.unique(read_label(file).array).tolist()
    return values


def _name(pair: Pair) -> str:
    return pair[0].name
