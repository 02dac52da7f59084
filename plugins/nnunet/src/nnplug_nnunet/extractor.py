"""nnU-Net's fingerprint: shapes, spacings, and the intensities of the foreground.

nnU-Net draws the same number of foreground voxels from each case, 100 million in all, and computes statistics of the
pool. Here each case is summarised from all foreground voxels that cropping leaves: exact moments and a distribution.
The distribution is exact where values repeat, as in CT. Pooled with equal weights, the summaries give the values around
which nnU-Net's draws scatter, and need a fraction of the memory. A percentile that is off by one grey value moves
preprocessed CT by more than 0.1 % of its range.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from nnplug import NnplugError
from nnplug.contracts import Extractor
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.cases import read_training_case
from nnplug.dataset.dataset import Dataset
from nnplug.dataset.description import DatasetDescription
from nnplug.ops.crop import bounding_box, nonzero_mask, slices
from nnplug.plans.fingerprint import Fingerprint, IntensityStats
from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress

_VALUES = 4_000_000
"""The number of values kept per channel over all cases; each case keeps at least `_LEAST_VALUES`."""

_LEAST_VALUES = 10_000

_TIE = 1e-9
"""Shift of a rank that lies exactly between two values: the median is their middle, other percentiles the inner value.
"""


@dataclass(frozen=True)
class ForegroundSummary:
    """The intensities of one channel over the foreground of one case.

    Attributes:
        mean: mean over all foreground voxels.
        mean_square: mean of the squares over all foreground voxels.
        lowest: smallest value of all foreground voxels.
        highest: largest value of all foreground voxels.
        values: (n,) float32, ascending; every value that occurs, or, if there are too many, the middles of equal parts.
        shares: (n,) float64; the share of the foreground voxels that each value stands for; their sum is 1.
    """

    mean: float
    mean_square: float
    lowest: float
    highest: float
    values: npt.NDArray[np.float32]
    shares: npt.NDArray[np.float64]


@dataclass(frozen=True)
class CaseMeasure:
    """The measurements of one case.

    Attributes:
        spacing: (z, y, x) in mm.
        cropped_shape: (z, y, x) in voxels, after cropping to the nonzero region.
        relative_size: voxels after cropping divided by voxels before.
        channels: one summary per channel; empty if the case has no foreground.
        orientation: the sides that the axes of the image point to, such as "RAS"; None for 2D images.
    """

    spacing: tuple[float, float, float]
    cropped_shape: tuple[int, int, int]
    relative_size: float
    channels: tuple[ForegroundSummary, ...]
    orientation: str | None = None


@dataclass(frozen=True)
class NnunetExtractor(Extractor):
    """An extractor that reads every training case once.

    It keeps up to 48 MB per channel, or 120 KB per case and channel if that is more.
    """

    def extract(self, dataset: Dataset, *, executor: Executor, progress: Progress) -> Fingerprint:
        """See `nnplug.contracts.Extractor`.

        Raises:
            NnplugError: no case has any foreground voxel.
            Problems: some cases cannot be read, a line each.
        """
        cases = dataset.training_cases()
        most = max(_LEAST_VALUES, _VALUES // len(cases))
        work = partial(_measure, description=dataset.description, most=most)
        measures = []
        with progress.task("fingerprint", len(cases)) as advance:
            for measure in executor.map(work, cases, stage="fingerprint", name=attrgetter("name")):
                measures.append(measure)
                advance("")
        return _fingerprint(measures, dataset)


def summarize(voxels: npt.NDArray[np.float32], most: int = _LEAST_VALUES) -> ForegroundSummary:
    """Summarise the foreground voxels of one channel of one case.

    Args:
        voxels: (n,) float32, at least one.
        most: the largest number of values that the summary keeps.
    """
    ordered = np.sort(voxels)
    starts = np.flatnonzero(np.diff(ordered, prepend=np.nan))
    values, counts = ordered[starts], np.diff(starts, append=ordered.size)
    if values.size > most:
        values, counts = ordered[_middles(ordered.size, most)], np.ones(most)
    mean = ordered.mean(dtype=np.float64)
    return ForegroundSummary(
        mean=float(mean),
        mean_square=float(ordered.var(dtype=np.float64, mean=mean) + mean**2),
        lowest=float(ordered[0]),
        highest=float(ordered[-1]),
        values=values,
        shares=counts / counts.sum(),
    )


def pool(summaries: Sequence[ForegroundSummary]) -> IntensityStats:
    """Return the statistics of a mixture of the summaries in which every case has the same weight."""
    values = np.concatenate([s.values for s in summaries])
    weights = np.concatenate([s.shares for s in summaries])
    ranks = [0.005 + _TIE, 0.5 - _TIE, 0.5 + _TIE, 0.995 - _TIE]
    low, below, above, high = np.quantile(values, ranks, weights=weights, method="inverted_cdf").tolist()
    mean = float(np.mean([s.mean for s in summaries]))
    variance = float(np.mean([s.mean_square for s in summaries])) - mean**2
    return IntensityStats(
        mean=mean,
        median=(below + above) / 2,
        std=max(variance, 0.0) ** 0.5,
        min=min(s.lowest for s in summaries),
        max=max(s.highest for s in summaries),
        percentile_00_5=low,
        percentile_99_5=high,
    )


def _measure(files: CaseFiles, description: DatasetDescription, most: int) -> CaseMeasure:
    case = read_training_case(files, description)
    box = bounding_box(nonzero_mask(case.image))
    a, b, c = (stop - start for start, stop in box)
    image, foreground = case.image[:, *slices(box)], case.label[slices(box)] > 0
    channels = tuple(summarize(channel[foreground], most) for channel in image) if foreground.any() else ()
    return CaseMeasure(case.spacing, (a, b, c), a * b * c / case.label.size, channels, case.orientation)


def _fingerprint(measures: Sequence[CaseMeasure], dataset: Dataset) -> Fingerprint:
    labelled = [m.channels for m in measures if m.channels]
    if not labelled:
        raise NnplugError(
            f"{dataset.folder}: no label map holds a foreground voxel (a value above 0), so there is nothing to learn. "
            "Check the files in labelsTr."
        )
    oriented = Counter(m.orientation for m in measures if m.orientation is not None)
    return Fingerprint(
        spacings=tuple(m.spacing for m in measures),
        shapes_after_crop=tuple(m.cropped_shape for m in measures),
        foreground_intensity_properties_per_channel={
            str(index): pool(summaries) for index, summaries in enumerate(zip(*labelled, strict=True))
        },
        median_relative_size_after_cropping=float(np.median([m.relative_size for m in measures])),
        orientations=dict(sorted(oriented.items())) or None,
    )


def _middles(count: int, parts: int) -> npt.NDArray[np.intp]:
    """Return the middle of each of `parts` equal parts of `count` voxels."""
    return ((np.arange(parts) + 0.5) * count / parts).astype(np.intp)
