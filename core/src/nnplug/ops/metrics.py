"""Overlap of two label maps. Voxels are counted once for all classes and regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from nnplug.arrays import LabelArray

OVERLAP_METRICS = ("Dice", "IoU", "FP", "TP", "FN", "TN", "n_pred", "n_ref")
"""The metrics that `overlap` returns, in nnU-Net's spelling."""


def confusion(
    reference: LabelArray,
    prediction: LabelArray,
    values: Sequence[int],
    *,
    ignore: int | None = None,
) -> npt.NDArray[np.int64]:
    """Return the number of voxels for each pair of reference and predicted label, counted in one pass.

    Args:
        reference: label values, any shape and any integer dtype.
        prediction: label values, the same shape.
        values: the label values that get a row and a column of their own, in this order.
        ignore: voxels with this reference label are not counted.

    Returns:
        (n + 1, n + 1) int64: rows are reference labels, columns predicted labels. The last row and column count all
        other label values.
    """
    if ignore is not None and (counted := reference != ignore).size and not counted.all():
        reference, prediction = reference[counted], prediction[counted]
    n = len(values) + 1
    codes = _indices(reference, values) * np.intp(n)
    codes += _indices(prediction, values)
    return np.bincount(codes.ravel(), minlength=n * n).reshape(n, n)


def overlap(counts: npt.NDArray[np.int64], values: Sequence[int], region: Sequence[int]) -> dict[str, float | int]:
    """Return the metrics of a class or region.

    Args:
        counts: (n + 1, n + 1), the result of `confusion`.
        values: the label values that `confusion` got.
        region: the label values whose union is scored; all are among `values`.

    Returns:
        Metric -> value. Dice and IoU are NaN if the region is neither in the reference nor in the prediction.

    Raises:
        ValueError: `region` has a value that is not in `values`.
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
    """Return the mean of each metric over the rows that have it.

    Args:
        rows: metric -> value, for cases or for classes.
        skip_nan: whether to leave NaN out (as in the mean over cases). If not, one NaN makes the mean NaN (as in the
            mean over classes).
    """
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _mean([row[name] for row in rows if name in row], skip_nan=skip_nan) for name in names}


def _mean(values: Sequence[float | int], *, skip_nan: bool) -> float:
    kept = np.asarray(values, np.float64)
    kept = kept[~np.isnan(kept)] if skip_nan else kept
    return float(kept.mean()) if kept.size else float("nan")


def _indices(labels: LabelArray, values: Sequence[int]) -> npt.NDArray[np.intp]:
    """Return the index of each label value in `values`; len(values) for other label values."""
    lowest, highest = min(*values, int(labels.min(initial=0))), max(*values, int(labels.max(initial=0)))
    table = np.full(highest - lowest + 1, len(values), np.intp)
    table[np.asarray(values) - lowest] = np.arange(len(values))
    return table[labels.astype(np.intp) - lowest]
