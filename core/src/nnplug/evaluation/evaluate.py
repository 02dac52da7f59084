"""Score label maps against references, in the format of nnU-Net's `summary.json`.

The metrics decide the figures of a summary; the default figures are nnU-Net's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from nnplug.contracts import Figures, Metric
from nnplug.dataset.description import DatasetDescription
from nnplug.dataset.labels import BACKGROUND, Labels
from nnplug.errors import InvalidFile, NnplugError, Problems
from nnplug.evaluation.measuring import METRICS_KEY, measure, metric_records
from nnplug.evaluation.metrics import DEFAULT_METRICS
from nnplug.evaluation.pairs import Pair, find_pairs, read_pair
from nnplug.evaluation.summary import Summary, summarise
from nnplug.io.images import read_label
from nnplug.io.readers import Readers, readers_or_core
from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress


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
        The summary: figures per case, their means over cases without NaN, the mean of those over classes, and which
        metrics of which distributions and versions measured them.

    Raises:
        NnplugError: a folder is missing or has no label maps, or no label value above 0 is found.
        Problems: cases lack their prediction or reference, or files cannot be compared; a line each.
    """
    return _whole(
        evaluate_folder(
            references,
            predictions,
            description,
            executor=executor,
            progress=progress,
            metrics=metrics,
            partial=partial,
            readers=readers,
        )
    )


@dataclass(frozen=True)
class Evaluation:
    """The scores of a folder.

    Attributes:
        summary: the summary of the cases that could be scored.
        failures: a line for each case that could not.
    """

    summary: Summary
    failures: tuple[str, ...] = ()


def evaluate_folder(
    references: Path,
    predictions: Path,
    description: DatasetDescription | None,
    *,
    executor: Executor,
    progress: Progress,
    metrics: Sequence[Metric] = DEFAULT_METRICS,
    partial: bool = False,
    readers: Readers | None = None,
) -> Evaluation:
    """Return the scores of all label maps in a folder; cases that cannot be compared are left out, with a line each.

    Arguments are those of `evaluate`. Files that lie elsewhere than their reference are warned of.

    Raises:
        NnplugError, Problems: as in `evaluate`, but for cases that cannot be compared; for these only if no case can.
    """
    own = readers_or_core(readers)
    own = own if description is None else description.readers(own, str(predictions))
    pairs = find_pairs(references, predictions, description, partial=partial, readers=own)
    labels = _labels_found(pairs, executor, own) if description is None else description.labels
    return _score(pairs, _Scoring(labels, tuple(metrics), own), executor, progress)


def _whole(evaluation: Evaluation) -> Summary:
    """Return the summary of an evaluation; raise `Problems` if a case could not be scored."""
    if evaluation.failures:
        raise Problems(evaluation.failures)
    return evaluation.summary


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
    own = readers_or_core(readers)
    return _whole(_score(pairs, _Scoring(description.labels, tuple(metrics), own), executor, progress))


@dataclass(frozen=True)
class _Scoring:
    """The labels to score, the metrics and the readers of the label maps."""

    labels: Labels
    metrics: tuple[Metric, ...]
    readers: Readers


@dataclass(frozen=True)
class _Measured:
    """The figures of one case with warnings about its files, or the lines why it has none."""

    figures: Mapping[str, Figures] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()


def _score(pairs: Sequence[Pair], scoring: _Scoring, executor: Executor, progress: Progress) -> Evaluation:
    score = partial(_attempt, scoring=scoring)
    scored: list[tuple[Pair, Mapping[str, Figures]]] = []
    failures: list[str] = []
    with progress.task("evaluate", len(pairs)) as advance:
        for pair, result in zip(pairs, executor.map(score, pairs, stage="evaluate", name=_name), strict=True):
            for line in result.warnings:
                progress.warning(line)
            scored += [] if result.failures else [(pair, result.figures)]
            failures += result.failures
            advance(pair[0].name)
    if not scored:
        raise Problems(failures)
    per_case = [
        {"metrics": case, "prediction_file": str(prediction), "reference_file": str(reference)}
        for (prediction, reference), case in scored
    ]
    summary = {**summarise([case for _, case in scored]), "metric_per_case": per_case}
    return Evaluation({**summary, METRICS_KEY: metric_records(scoring.metrics)}, tuple(failures))


def _attempt(pair: Pair, *, scoring: _Scoring) -> _Measured:
    """Return the figures of one case, or why its files cannot be compared."""
    try:
        return _measure(pair, scoring=scoring)
    except InvalidFile as error:
        return _Measured(failures=error.lines)


def _measure(pair: Pair, *, scoring: _Scoring) -> _Measured:
    """Return all figures of one case. Its files are read once for all metrics."""
    predicted, expected = read_pair(*pair, scoring.readers)
    figures: dict[str, Figures] = {}
    for metric in scoring.metrics:
        spacing = expected.geometry.spacing
        measured = measure(metric, expected.array, predicted.array, scoring.labels, spacing=spacing)
        for key, values in measured.items():
            figures[key] = {**figures.get(key, {}), **values}
    return _Measured(figures, predicted.geometry.remarks)


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
