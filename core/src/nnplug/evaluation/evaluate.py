"""Score label maps against references, in the format of nnU-Net's `summary.json`.

The metrics decide the figures of a summary; the default figures are nnU-Net's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nnplug.contracts import Figures, Metric
from nnplug.dataset.dataset import DatasetDescription
from nnplug.dataset.labels import BACKGROUND, Labels
from nnplug.errors import InvalidFile, NnplugError, Problems
from nnplug.evaluation.metrics import DEFAULT_METRICS
from nnplug.io.images import LabelMap, read_label
from nnplug.io.readers import Readers, core_readers
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
    readers: Readers | None = None,
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
        readers: the readers of the label maps; None for those of the core. The one in `description` is preferred.

    Returns:
        The summary: figures per case, their means over cases without NaN, and the mean of those over classes.

    Raises:
        NnplugError: a folder is missing or has no label maps, or no label value above 0 is found.
        Problems: cases lack their prediction or reference, or files cannot be compared; a line each.
    """
    own = core_readers() if readers is None else readers
    own = own if description is None else description.readers(own, str(predictions))
    pairs = find_pairs(references, predictions, description, partial=partial, readers=own)
    if description is not None:
        return evaluate_cases(pairs, description, executor=executor, progress=progress, metrics=metrics, readers=own)
    scoring = _Scoring(_labels_found(pairs, executor, own), tuple(metrics), own)
    return _score(pairs, scoring, executor, progress)


def evaluate_cases(
    pairs: Sequence[Pair],
    description: DatasetDescription,
    *,
    executor: Executor,
    progress: Progress,
    metrics: Sequence[Metric] = DEFAULT_METRICS,
    readers: Readers | None = None,
) -> Summary:
    """Return the summary of pairs of prediction and reference; see `evaluate`."""
    own = core_readers() if readers is None else readers
    return _score(pairs, _Scoring(description.labels, tuple(metrics), own), executor, progress)


def find_description(dataset_json: Path | None, predictions: Path) -> DatasetDescription | None:
    """Return the description that the user names, or else the `dataset.json` in the folder of predictions, or None."""
    beside = predictions / "dataset.json"
    chosen = dataset_json or (beside if beside.is_file() else None)
    return None if chosen is None else DatasetDescription.read(chosen)


def folder_readers(folder: Path, readers: Readers) -> Readers:
    """Return the readers for a folder of label maps: they prefer the one that its or its parent's `dataset.json` names.

    Raises:
        InvalidFile: the file is invalid, or no reader has the name in it.
    """
    for file in (folder / "dataset.json", folder.parent / "dataset.json"):
        if file.is_file():
            return DatasetDescription.read(file).readers(readers, str(file))
    return readers


def find_pairs(
    references: Path,
    predictions: Path,
    description: DatasetDescription | None,
    *,
    partial: bool = False,
    readers: Readers | None = None,
) -> list[Pair]:
    """Return predictions with their references, sorted by case name.

    Raises:
        NnplugError, Problems: as in `evaluate`.
    """
    known = (core_readers() if readers is None else readers).endings
    endings = known if description is None else (description.file_ending,)
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
        ending = max((e for e in endings if file.name.endswith(e)), key=len, default=None)
        if ending and not file.name.startswith("."):
            files[file.name.removesuffix(ending)] = file
    if not files:
        raise NnplugError(f"{folder}: holds no label maps; expected files that end in {', '.join(endings)}")
    return files


def read_pair(prediction: Path, reference: Path, readers: Readers | None = None) -> tuple[LabelMap, LabelMap]:
    """Return a prediction and its reference, such as those of a `LabelledCase` with its `readers`.

    Raises:
        InvalidFile: a file cannot be read, or their shapes differ.
    """
    predicted, expected = read_label(prediction, readers), read_label(reference, readers)
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


@dataclass(frozen=True)
class _Scoring:
    """The labels to score, the metrics and the readers of the label maps."""

    labels: Labels
    metrics: tuple[Metric, ...]
    readers: Readers


def _score(pairs: Sequence[Pair], scoring: _Scoring, executor: Executor, progress: Progress) -> Summary:
    score = partial(_measure, scoring=scoring)
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


def _measure(pair: Pair, *, scoring: _Scoring) -> dict[str, Figures]:
    """Return all figures of one case. Its files are read once for all metrics."""
    predicted, expected = read_pair(*pair, scoring.readers)
    figures: dict[str, Figures] = {}
    for metric in scoring.metrics:
        with attributed(metric):
            measured = metric.measure(
                expected.array, predicted.array, scoring.labels, spacing=expected.geometry.spacing
            )
        for key, values in _checked(metric, measured, scoring.labels).items():
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


def _labels_found(pairs: Sequence[Pair], executor: Executor, readers: Readers) -> Labels:
    """Return every label value above 0 in the files as a class."""
    files = [file for pair in pairs for file in pair]
    found = executor.map(partial(_values, readers=readers), files, stage="evaluate")
    values = sorted({value for case in found for value in case} - {0})
    if not values:
        raise NnplugError(f"{pairs[0][0].parent}: predictions and references hold background only; nothing to score")
    return Labels({"background": BACKGROUND, **{str(value): (value,) for value in values}})


def _values(file: Path, *, readers: Readers) -> list[int]:
    values: list[int] = np.unique(read_label(file, readers).array).tolist()
    return values


def _name(pair: Pair) -> str:
    return pair[0].name
