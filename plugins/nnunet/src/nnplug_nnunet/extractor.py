"""nnU-Net's fingerprint: shapes, spacings, and the intensities of the foreground.

nnU-Net draws equally many foreground voxels of each case, 100 million in all, and takes statistics of the pool. Here
each case is summed up by all of its foreground voxels: exact moments, and a sorted sample that stands for its
distribution. Pooled with equal weights, they give the same figures in a thousandth of the memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from nnplug import NnplugError
from nnplug.contracts import Extractor
from nnplug.data.cases import read_training_case
from nnplug.data.dataset import CaseFiles, Dataset, DatasetDescription
from nnplug.data.fingerprint import Fingerprint, IntensityStats
from nnplug.ops.crop import bounding_box, nonzero_mask
from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress

_SAMPLE = 10_000


@dataclass(frozen=True)
class ForegroundSummary:
    """One channel's intensities over the foreground of one case.

    Attributes:
        mean: over all foreground voxels.
        mean_square: over all foreground voxels.
        sample: ascending; at most 10,000 values at evenly spaced ranks, the first and last included.
    """

    mean: float
    mean_square: float
    sample: npt.NDArray[np.float32]


@dataclass(frozen=True)
class CaseMeasure:
    """What the fingerprint takes of one case; `channels` is empty where the case has no foreground."""

    spacing: tuple[float, float, float]
    cropped_shape: tuple[int, int, int]
    relative_size: float
    channels: tuple[ForegroundSummary, ...]


@dataclass(frozen=True)
class NnunetExtractor(Extractor):
    """Every training case is read once; about 40 KB per case and channel are kept of it."""

    def extract(self, dataset: Dataset, *, executor: Executor, progress: Progress) -> Fingerprint:
        """See `nnplug.contracts.Extractor`.

        Raises:
            NnplugError: no case has any foreground voxel.
            Problems: some cases cannot be read, a line each.
        """
        cases = dataset.training_cases()
        work = partial(_measure, description=dataset.description)
        measures = []
        with progress.task("fingerprint", len(cases)) as advance:
            for measure in executor.map(work, cases, stage="fingerprint", name=attrgetter("name")):
                measures.append(measure)
                advance("")
        return _fingerprint(measures, dataset)


def summarize(values: npt.NDArray[np.float32]) -> ForegroundSummary:
    """Sum up the foreground voxels of one channel of one case; there is at least one."""
    ordered = np.sort(values)
    ranks = np.linspace(0, ordered.size - 1, min(ordered.size, _SAMPLE)).round().astype(np.intp)
    mean = ordered.mean(dtype=np.float64)
    return ForegroundSummary(float(mean), float(ordered.var(dtype=np.float64, mean=mean) + mean**2), ordered[ranks])


def pool(summaries: Sequence[ForegroundSummary]) -> IntensityStats:
    """Statistics of the mixture in which every case has the same weight."""
    values = np.concatenate([s.sample for s in summaries])
    weights = np.concatenate([np.full(s.sample.size, 1 / s.sample.size) for s in summaries])
    low, median, high = np.quantile(values, [0.005, 0.5, 0.995], weights=weights, method="inverted_cdf").tolist()
    mean = float(np.mean([s.mean for s in summaries]))
    variance = float(np.mean([s.mean_square for s in summaries])) - mean**2
    return IntensityStats(
        mean=mean,
        median=median,
        std=max(variance, 0.0) ** 0.5,
        min=float(values.min()),
        max=float(values.max()),
        percentile_00_5=low,
        percentile_99_5=high,
    )


def _measure(files: CaseFiles, description: DatasetDescription) -> CaseMeasure:
    case = read_training_case(files, description)
    foreground = case.label > 0
    channels = tuple(summarize(channel[foreground]) for channel in case.image) if foreground.any() else ()
    a, b, c = (stop - start for start, stop in bounding_box(nonzero_mask(case.image)))
    return CaseMeasure(case.spacing, (a, b, c), a * b * c / foreground.size, channels)


def _fingerprint(measures: Sequence[CaseMeasure], dataset: Dataset) -> Fingerprint:
    labelled = [m.channels for m in measures if m.channels]
    if not labelled:
        raise NnplugError(
            f"{dataset.folder}: no label map holds a foreground voxel (a value above 0), so there is nothing to learn. "
            "Check the files in labelsTr."
        )
    return Fingerprint(
        spacings=tuple(m.spacing for m in measures),
        shapes_after_crop=tuple(m.cropped_shape for m in measures),
        foreground_intensity_properties_per_channel={
            str(index): pool(summaries) for index, summaries in enumerate(zip(*labelled, strict=True))
        },
        median_relative_size_after_cropping=float(np.median([m.relative_size for m in measures])),
    )
