"""A resampler that attributes errors to its component, and checks results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnplug.contracts.preprocessor.resampler import Regrid, Resampler, Shape, Spacing
from nnplug.ops.finite import is_finite
from nnplug.registry.attribution import attributed, broken, expect


@dataclass(frozen=True)
class AttributedResampler(Resampler):
    """See `nnplug.contracts.Resampler`; the wrapped component is named in errors."""

    resampler: Resampler

    def new_shape(self, shape: Shape, spacing: Spacing, new_spacing: Spacing) -> Shape:
        """See `nnplug.contracts.Resampler`.

        Raises:
            InvalidPlugin: the result is no shape of three axes.
        """
        with attributed(self.resampler):
            new = self.resampler.new_shape(shape, spacing, new_spacing)
        if not isinstance(new, tuple) or len(new) != len(shape) or not all(type(n) is int and n > 0 for n in new):
            raise broken(self.resampler, f"gave the shape {new!r}; expected three numbers above 0")
        return new

    def resample_image(self, image: npt.NDArray[np.float32], grids: Regrid) -> npt.NDArray[np.float32]:
        """See `nnplug.contracts.Resampler`.

        Raises:
            InvalidPlugin: the result has another shape or type, or values that are not finite.
        """
        with attributed(self.resampler):
            given = self.resampler.resample_image(image, grids)
        result: npt.NDArray[np.float32] = self._checked(given, (len(image), *grids.shape), np.dtype(np.float32))
        if not is_finite(result):
            raise broken(self.resampler, "gave an image with values that are not finite")
        return result

    def resample_label(self, label: npt.NDArray[np.int16], grids: Regrid) -> npt.NDArray[np.int16]:
        """See `nnplug.contracts.Resampler`.

        Raises:
            InvalidPlugin: the result has another shape or type.
        """
        with attributed(self.resampler):
            given = self.resampler.resample_label(label, grids)
        result: npt.NDArray[np.int16] = self._checked(given, grids.shape, np.dtype(np.int16))
        return result

    def _checked(self, given: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        result = expect(self.resampler, given, np.ndarray)
        if result.shape != shape or result.dtype != dtype:
            raise broken(
                self.resampler, f"gave {result.dtype} of shape {result.shape}; expected {dtype} of shape {shape}"
            )
        return result
