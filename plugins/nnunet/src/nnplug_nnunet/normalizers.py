"""Intensity normalisations of one channel, with nnU-Net's formulas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from nnplug import NnplugError
from nnplug.contracts import Normalizer
from nnplug.ops.moments import standard_deviation
from nnplug.plans.fingerprint import IntensityStats
from nnplug.remedies import Action

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_SMALLEST_SCALE = 1e-8
_RGB_MAX = 255


@dataclass(frozen=True)
class ZScore(Normalizer):
    """Mean 0 and standard deviation 1 over the image, or over the mask if there is one.

    Voxels outside the mask keep their values.
    """

    zeroes_outside_mask: ClassVar[bool] = True

    def normalize(self, image: Image, mask: Mask | None, intensity: IntensityStats | None) -> Image:  # noqa: ARG002
        """See `nnplug.contracts.Normalizer`."""
        values = image if mask is None else image[mask]
        if values.size:
            values -= values.mean(dtype=np.float64)
            values /= max(standard_deviation(values), _SMALLEST_SCALE)
        if mask is not None:
            image[mask] = values
        return image


@dataclass(frozen=True)
class CT(Normalizer):
    """Clipping to the dataset's 0.5 and 99.5 percentiles, then mean 0 and standard deviation 1 of its foreground."""

    zeroes_outside_mask: ClassVar[bool] = False

    def normalize(self, image: Image, mask: Mask | None, intensity: IntensityStats | None) -> Image:  # noqa: ARG002
        """See `nnplug.contracts.Normalizer`.

        Raises:
            NnplugError: the plans have no foreground statistics of the channel.
        """
        if intensity is None:
            raise NnplugError(
                "normalizer 'ct' needs the dataset's foreground intensities, which the plans do not have",
                Action.MEASURE_AND_PLAN(),
            )
        np.clip(image, intensity.percentile_00_5, intensity.percentile_99_5, out=image)
        image -= intensity.mean
        image /= max(intensity.std, _SMALLEST_SCALE)
        return image


@dataclass(frozen=True)
class Unchanged(Normalizer):
    """The intensities without a change."""

    zeroes_outside_mask: ClassVar[bool] = False

    def normalize(self, image: Image, mask: Mask | None, intensity: IntensityStats | None) -> Image:  # noqa: ARG002
        """See `nnplug.contracts.Normalizer`."""
        return image


@dataclass(frozen=True)
class RescaleTo01(Normalizer):
    """A linear map of the image's smallest value to 0 and its largest value to 1."""

    zeroes_outside_mask: ClassVar[bool] = False

    def normalize(self, image: Image, mask: Mask | None, intensity: IntensityStats | None) -> Image:  # noqa: ARG002
        """See `nnplug.contracts.Normalizer`."""
        image -= image.min()
        image /= max(image.max(), _SMALLEST_SCALE)
        return image


@dataclass(frozen=True)
class RGBTo01(Normalizer):
    """Division by 255."""

    zeroes_outside_mask: ClassVar[bool] = False

    def normalize(self, image: Image, mask: Mask | None, intensity: IntensityStats | None) -> Image:  # noqa: ARG002
        """See `nnplug.contracts.Normalizer`.

        Raises:
            NnplugError: a value lies outside 0 to 255.
        """
        for value in (image.min(), image.max()):
            if not 0 <= value <= _RGB_MAX:
                raise NnplugError(
                    f"normalizer 'rgb-0-1' takes values from 0 to 255, the image holds {value:g}. "
                    "Name the channel otherwise in dataset.json, for z-score for example."
                )
        image /= _RGB_MAX
        return image
