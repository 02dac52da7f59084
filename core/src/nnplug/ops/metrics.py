"""Overlap of two label maps, counted once for all classes and regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

METRICS = ("Dice", "IoU", "FP", "TP", "FN", "TN", "n_pred", "n_ref")
"""What `overlap` gives, in nnU-Net's spelling."""


def confusion(
    reference: npt.NDArray[np.integer[Any]],
    prediction: npt.NDArray[np.integer[Any]],
    values: Sequence[int],
    *,
    ignore: int | None = None,
) -> npt.NDArray[np.int64]:
    """Count voxels by reference and predicted label in one pass.

    Args:
        reference: label values, any shape.
        prediction: label values, the same shape.
        values: the label values that have a row and a column of their own, in that order.
        ignore: voxels with this reference label are not counted.

    Returns:
        (n + 1, n + 1) counts, rows by reference; the last row and column hold all other label values.
    """
    if ignore is not None and (counted := reference != ignore).size and not counted.all():
        reference, prediction = reference[counted], prediction[counted]
    n = len(values) + 1
    codes = _indices(reference, values) * np.intp(n)
    codes += _indices(prediction, values)
    return np.bincount(codes.ravel(), minlength=n * n).reshape(n, n)


def overlap(counts: npt.NDArray[np.int64], values: Sequence[int], region: Sequence[int]) -> dict[str, float | int]:
    """Metrics of a class or region.

    Args:
        counts: what `confusion` gave.
        values: the same as there.
        region: label values whose union is scored.

    Returns:
        Metric -> value; Dice and IoU are NaN where the region is neither in the reference nor predicted.
    """
    inside = [values.index(value) for value in region]
    tp = int(counts[np.ix_(inside, inside)].sum())
    n_ref, n_pred = int(counts[inside].sum()), int(counts[:, inside].sum())
    union = n_ref + n_pred - tp
    return {
        "Dice": 2 * tp / (n_ref + n_pred) if union else float("nan"),
        "IoU": tp / union if union else float("nan"),
        "FP": n_pred - tp,
        "TP": tp,
        "FN": n_ref - tp,
        "TN": int(counts.sum()) - union,
        "n_pred": n_pred,
        "n_ref": n_ref,
    }


def mean_metrics(rows: Sequence[Mapping[str, float | int]], *, skip_nan: bool) -> dict[str, float]:
    """The mean of each metric over the rows that have it.

    Args:
        rows: metric -> value, for cases or for classes.
        skip_nan: leave NaN out, as over cases; else one NaN makes the mean NaN, as over classes.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _mean([row[name] for row in rows if name in row], skip_nan=skip_nan) for name in names}


def _mean(values: Sequence[float | int], *, skip_nan: bool) -> float:
    kept = np.asarray(values, np.float64)
    kept = kept[~np.isnan(kept)] if skip_nan else kept
    return float(kept.mean()) if kept.size else float("nan")


def _indices(labels: npt.NDArray[np.integer[Any]], values: Sequence[int]) -> npt.NDArray[np.intp]:
    """The place of each label value in `values`, len(values) for values that are not there."""
    lowest, highest = min(*values, int(labels.min(initial=0))), max(*values, int(labels.max(initial=0)))
    table = np.full(highest - lowest + 1, len(values), np.intp)
    table[np.asarray(values) - lowest] = np.arange(len(values))
    return table[labels.astype(np.intp) - lowest]
