"""Compare an image with those that a model was trained on, before it is resampled.

A wrong unit in a header (micrometres, metres, inches) gives an image of one voxel, or one of a billion. The limits are
those of nnplug.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from nnplug_runtime.faults import Fault
from nnplug_runtime.geometry import Geometry, orientation
from nnplug_runtime.model import Stage, stages

MEAN_FACTOR = 5.0
"""The largest factor between the spacing of an image and the median of the training, as the mean over the axes."""

AXIS_FACTOR = 25.0
"""The largest factor along one axis: slices can be much thicker than those of the training."""


def check_spacing(geometry: Geometry, member: Stage) -> None:
    """Raise `Fault` if the spacing of an image is far from that of the training of a member or a stage before it."""
    for stage in stages(member):
        spacing = [geometry.spacing[axis] for axis in stage.transpose]
        shape = [geometry.shape[axis] for axis in stage.transpose]
        axes = [axis for axis in range(3 - stage.dimensions, 3) if shape[axis] > 1 and spacing[axis] > 0]
        if _is_far([spacing[axis] / stage.median_spacing[axis] for axis in axes]):
            ours, theirs = (_words(values, stage) for values in (spacing, stage.median_spacing))
            raise Fault(
                f"the image has spacing {ours} mm (z, y, x), the model was trained at {theirs} mm. Correct the header, "
                "or insist with --force"
            )


def orientation_warnings(geometry: Geometry, known: Mapping[str, int] | None) -> Iterator[str]:
    """Yield a line if no training image had the orientation of an image."""
    own = orientation(geometry)
    if own is not None and known and own not in known:
        listed = ", ".join(f"{name} x {count}" for name, count in known.items())
        yield (
            f"its axes point to {own}, which no training image had ({listed}); the network gets voxels as they are "
            "stored, so save it with the axes of the training, or check the result"
        )


def _is_far(factors: Sequence[float]) -> bool:
    if not factors:
        return False
    mean = math.exp(sum(math.log(f) for f in factors) / len(factors))
    near = 1 / MEAN_FACTOR <= mean <= MEAN_FACTOR and all(1 / AXIS_FACTOR <= f <= AXIS_FACTOR for f in factors)
    return not near


def _words(values: Sequence[float], stage: Stage) -> str:
    """Return the values of transposed axes as text in the order (z, y, x)."""
    return " x ".join(f"{values[stage.transpose.index(axis)]:.6g}" for axis in range(3))
