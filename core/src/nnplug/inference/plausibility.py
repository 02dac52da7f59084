"""Compare an image with those that a model was trained on, before it is resampled.

A wrong unit in a header (micrometres, metres, inches) gives an image of one voxel, or one of a billion.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import psutil

from nnplug.errors import NnplugError
from nnplug.io.geometry import Geometry
from nnplug.io.placement import orientation
from nnplug.models.open import Member
from nnplug.plans.plans import Configuration, Plans
from nnplug.remedies import Action

MEAN_FACTOR = 5.0
"""The largest factor between the spacing of an image and the median of the training, as the mean over the axes."""

AXIS_FACTOR = 25.0
"""The largest factor along one axis: slices can be much thicker than those of the training."""

_FLOAT = 4  # bytes


def check_size(geometry: Geometry, member: Member) -> None:
    """Raise if the spacing of an image is far from that of the training, or the memory cannot hold it resampled.

    Raises:
        NnplugError: the message has both spacings, the shape after resampling, the memory, and how to insist.
    """
    for stage in member.stages:
        _check_size(geometry, stage.plans, stage.plans.configuration(stage.configuration), stage)


def _check_size(geometry: Geometry, plans: Plans, configuration: Configuration, member: Member) -> None:
    spacing = [geometry.spacing[axis] for axis in plans.transpose_forward]
    shape = [geometry.shape[axis] for axis in plans.transpose_forward]
    first = 3 - configuration.dimensions
    target = _target_shape(shape, spacing, configuration, first)
    values = len(member.description.channel_names) + member.description.labels.outputs
    needed = math.prod(target) * values * _FLOAT
    factors = [
        spacing[axis] / plans.median_spacing[axis] for axis in range(first, 3) if shape[axis] > 1 and spacing[axis] > 0
    ]
    if not _is_far(factors) and math.prod(target) * _FLOAT < psutil.virtual_memory().total:
        return
    ours, theirs, size = (
        " x ".join(f"{numbers[axis]:.6g}" for axis in plans.transpose_backward)
        for numbers in (spacing, plans.median_spacing, target)
    )
    raise NnplugError(
        f"the image has spacing {ours} mm (z, y, x), the model was trained at {theirs} mm; resampled for it, the image "
        f"has {size} voxels and needs {_gigabytes(needed)}. Correct the header",
        Action.INSIST(),
    )


def _target_shape(
    shape: Sequence[int], spacing: Sequence[float], configuration: Configuration, first: int
) -> tuple[int, ...]:
    resampled = [
        max(1, round(shape[axis] * spacing[axis] / configuration.spacing[axis - first])) for axis in range(first, 3)
    ]
    return (*shape[:first], *resampled)


def _is_far(factors: Sequence[float]) -> bool:
    if not factors:
        return False
    mean = math.exp(sum(math.log(f) for f in factors) / len(factors))
    return not (1 / MEAN_FACTOR <= mean <= MEAN_FACTOR and all(1 / AXIS_FACTOR <= f <= AXIS_FACTOR for f in factors))


def _gigabytes(size: int) -> str:
    return "less than 0.01 GB" if size < 1e7 else f"{size / 1e9:.3g} GB"


def image_warnings(geometry: Geometry, plans: Plans) -> tuple[str, ...]:
    """Return the remarks on the files of an image, and a line if no training image had its orientation."""
    unseen = check_orientation(geometry, plans)
    return geometry.remarks if unseen is None else (*geometry.remarks, unseen)


def check_orientation(geometry: Geometry, plans: Plans) -> str | None:
    """Return the words of a warning if no training image had the orientation of this one, or None."""
    own = orientation(geometry)
    if own is None or not plans.orientations or own in plans.orientations:
        return None
    known = ", ".join(f"{name} x {count}" for name, count in plans.orientations.items())
    return (
        f"its axes point to {own}, which no training image had ({known}); the network gets voxels as they are stored, "
        "so save it with the axes of the training, or check the result"
    )


def mixed_orientations(seen: Mapping[str, Sequence[str]]) -> str | None:
    """Return a warning if images of one prediction have several orientations, for models that record none.

    Args:
        seen: orientation -> cases.
    """
    if len(seen) < 2:
        return None
    listed = ", ".join(f"{name} ({_few(cases)})" for name, cases in seen.items())
    return (
        f"the images have {len(seen)} orientations: {listed}. This model does not record those of its training; a "
        "network gets voxels as they are stored, so check the results"
    )


def empty_label_maps(cases: Sequence[str]) -> str | None:
    """Return a notice if label maps of a prediction are all background.

    Args:
        cases: the cases whose label maps have no foreground.
    """
    return f"no voxel is foreground in the label maps of {_few(cases)}" if cases else None


def _few(cases: Iterable[str]) -> str:
    names = sorted(cases)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
