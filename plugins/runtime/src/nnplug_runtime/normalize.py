"""Normalise the intensities of one channel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnplug_runtime.faults import Fault
from nnplug_runtime.model import Channel
from nnplug_runtime.ops.moments import standard_deviation

Volume = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_SMALLEST_SCALE = 1e-8
_RGB_MAX = 255


def normalize(volume: Volume, mask: Mask, channel: Channel) -> Volume:
    """Return a channel (z, y, x) after its normalisation; the argument may be overwritten.

    Args:
        volume: (z, y, x) float32, in the units of the file.
        mask: (z, y, x), the nonzero region.
        channel: the normalisation.

    Raises:
        Fault: a value is not in the range that the normalisation takes.
    """
    if channel.scheme == "zscore":
        return _zscore(volume, mask if channel.use_mask else None)
    if channel.scheme == "ct":
        return _ct(volume, channel)
    if channel.scheme == "rescale-0-1":
        volume -= volume.min()
        volume /= max(volume.max(), _SMALLEST_SCALE)
    elif channel.scheme == "rgb-0-1":
        for value in (volume.min(), volume.max()):
            if not 0 <= value <= _RGB_MAX:
                raise Fault(f"channel {channel.name!r}: holds {value:g}; the model takes values from 0 to 255")
        volume /= _RGB_MAX
    return volume


def _zscore(volume: Volume, mask: Mask | None) -> Volume:
    values = volume if mask is None else volume[mask]
    if values.size:
        values -= values.mean(dtype=np.float64)
        values /= max(standard_deviation(values), _SMALLEST_SCALE)
    if mask is not None:
        volume[mask] = values
    return volume


def _ct(volume: Volume, channel: Channel) -> Volume:
    known = channel.statistics
    if known is None:
        raise Fault(f"channel {channel.name!r}: the model has no statistics for its normalisation; export it again")
    np.clip(volume, known.percentile_00_5, known.percentile_99_5, out=volume)
    volume -= known.mean
    volume /= max(known.std, _SMALLEST_SCALE)
    return volume
