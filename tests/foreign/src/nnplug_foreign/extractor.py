"""The component `foreign` of kind extractor."""

from __future__ import annotations

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
from nnplug.ops.crop import bounding_box, nonzero_mask
from nnplug.plans.fingerprint import Fingerprint, IntensityStats
from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress

Size = tuple[int, int, int]


@dataclass(frozen=True)
class Measured:
    """The measurements of one case.

    Attributes:
        spacing: (z, y, x) in mm.
        shape: (z, y, x) of the case in voxels.
        inside: (z, y, x) of the box around its nonzero voxels.
        intensities: (C, n) float32, evenly chosen foreground voxels.
    """

    spacing: tuple[float, float, float]
    shape: Size
    inside: Size
    intensities: npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class SampledExtractor(Extractor):
    """Statistics of evenly chosen foreground voxels; each case counts by its number of foreground voxels.

    Attributes:
        voxels_per_case: the most voxels that are kept of a case.
    """

    voxels_per_case: int = 10_000

    def extract(self, dataset: Dataset, *, executor: Executor, progress: Progress) -> Fingerprint:
        """See `nnplug.contracts.Extractor`.

        Raises:
            NnplugError: no case has a foreground voxel.
            Problems: some cases cannot be read, a line each.
        """
        cases = dataset.training_cases()
        measure = partial(_measure, description=dataset.description, most=self.voxels_per_case)
        found = []
        with progress.task("fingerprint", len(cases)) as advance:
            for case in executor.map(measure, cases, stage="fingerprint", name=attrgetter("name")):
                found.append(case)
                advance("")
        voxels = np.concatenate([case.intensities for case in found], axis=1)
        if not voxels.size:
            raise NnplugError(f"{dataset.folder}: no label map holds a foreground voxel. Check the files in labelsTr.")
        return _fingerprint(found, voxels)


def _measure(files: CaseFiles, *, description: DatasetDescription, most: int) -> Measured:
    case = read_training_case(files, description)
    inside = np.isin(case.label, description.labels.foreground_values)
    voxels = case.image[:, inside]
    step = max(1, voxels.shape[1] // most)
    z, y, x = case.label.shape
    a, b, c = (stop - start for start, stop in bounding_box(nonzero_mask(case.image)))
    return Measured(case.spacing, (z, y, x), (a, b, c), voxels[:, ::step])


def _fingerprint(cases: Sequence[Measured], voxels: npt.NDArray[np.float32]) -> Fingerprint:
    sizes = [np.prod(case.inside) / np.prod(case.shape) for case in cases]
    return Fingerprint(
        spacings=tuple(case.spacing for case in cases),
        shapes_after_crop=tuple(case.inside for case in cases),
        foreground_intensity_properties_per_channel={str(c): _statistics(values) for c, values in enumerate(voxels)},
        median_relative_size_after_cropping=float(np.median(sizes)),
    )


def _statistics(values: npt.NDArray[np.float32]) -> IntensityStats:
    low, median, high = np.percentile(values, (0.5, 50, 99.5)).tolist()
    return IntensityStats(
        mean=float(values.mean(dtype=np.float64)),
        median=median,
        std=float(values.std(dtype=np.float64)),
        min=float(values.min()),
        max=float(values.max()),
        percentile_00_5=low,
        percentile_99_5=high,
    )
