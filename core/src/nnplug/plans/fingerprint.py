"""The fingerprint: the measurements of a dataset that planning uses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self

from nnplug.errors import InvalidFile
from nnplug.remedies import Action
from nnplug.runtime.records import Record


class IntensityStats(Record, frozen=True, kw_only=True):
    """Statistics of one channel over the foreground of all training cases, in the units of the image."""

    mean: float
    median: float
    std: float
    min: float
    max: float
    percentile_00_5: float
    percentile_99_5: float


class Fingerprint(Record, frozen=True, kw_only=True):
    """The fingerprint of a dataset. Key names and axis order are those of nnU-Net's `dataset_fingerprint.json`.

    Attributes:
        spacings: per case, (z, y, x) in mm.
        shapes_after_crop: per case, (z, y, x) in voxels, after cropping to the nonzero region.
        foreground_intensity_properties_per_channel: channel index as text -> statistics.
        median_relative_size_after_cropping: median over cases of (voxels after cropping / voxels before).
        orientations: the sides that the axes x, y, z of 3D images point to, such as "RAS" -> number of cases; None if
            it was not measured.
        extra: plugin name -> JSON of its own, for planners that know the extractor; None if there is nothing.
    """

    spacings: tuple[tuple[float, float, float], ...]
    shapes_after_crop: tuple[tuple[int, int, int], ...]
    foreground_intensity_properties_per_channel: dict[str, IntensityStats]
    median_relative_size_after_cropping: float
    orientations: dict[str, int] | None = None
    extra: dict[str, Any] | None = None

    @classmethod
    def from_data(cls, data: Any, where: str) -> Self:
        """Return the fingerprint made from the result of `json.loads`; see `Record.from_data`.

        Raises:
            InvalidFile: as in `Record.from_data`, or a spacing or shape is not above 0.
        """
        fingerprint = super().from_data(data, where)
        for key, values in (("spacings", fingerprint.spacings), ("shapes_after_crop", fingerprint.shapes_after_crop)):
            if wrong := [list(three) for three in values if not _is_extent(three)]:
                raise InvalidFile(f"{where}: {key!r} hold {wrong[0]}; every number must be above 0", Action.MEASURE())
        if len(fingerprint.spacings) != len(fingerprint.shapes_after_crop):
            raise InvalidFile(
                f"{where}: has {len(fingerprint.spacings)} spacings and {len(fingerprint.shapes_after_crop)} shapes",
                Action.MEASURE(),
            )
        return fingerprint


def _is_extent(three: Sequence[float]) -> bool:
    return all(value > 0 and math.isfinite(value) for value in three)
