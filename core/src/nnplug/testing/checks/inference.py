"""The checks of `nnplug.contracts.Inference`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor

from nnplug.contracts import Inference, InferenceContext
from nnplug.contracts.attributed.inference import AttributedInference
from nnplug.contracts.capabilities import slabbed
from nnplug.contracts.kinds import InferenceEntry
from nnplug.testing.check import Checks, NotChecked, Subject, require

PATCHES = {2: (8, 16), 3: (4, 8, 16)}
SHAPES = ((5, 19, 33), (4, 8, 16), (3, 6, 9))
"""Images larger than the patch, of its size, and smaller."""

OUTPUTS = 3
AGREEMENT = 0.95
"""The smallest accepted share of voxels that keep the label that a network of one voxel's context gives them."""

ROUNDING = 1e-4


def voxelwise(batch: Tensor) -> Tensor:
    """Return logits (B, 3, *size) of (B, 2, *size): a network that sees one voxel."""
    return torch.stack([0.5 - batch[:, 0], batch[:, 0] - 0.5, batch[:, 1] - 0.5], 1)


def shifted(batch: Tensor) -> Tensor:
    """Return the logits of `voxelwise`, moved by a voxel along the last axis: mirror images change the mean."""
    return voxelwise(batch).roll(1, dims=-1)


def image(shape: Sequence[int]) -> Tensor:
    """Return an image (2, z, y, x): two blocks that lie in different places."""
    blocks = torch.zeros(2, *shape)
    z, y, x = shape
    blocks[0, : z // 2 + 1, : y // 3, x // 4 :] = 1
    blocks[1, z // 2 :, y // 2 :, : x // 2] = 1
    return blocks


def _keeps_places(subject: Subject, axes: int) -> None:
    """Raise unless every voxel of the image gets the logits of its own place, whether mirrored or not."""
    for shape in SHAPES:
        for mirrored in ((), tuple(range(axes))):
            logits = _bound(subject, axes, mirrored).logits(voxelwise, image(shape), _ignored)
            require(bool(logits.isfinite().all()), f"logits of an image of shape {shape} are not finite")
            kept = logits.cpu().argmax(0) == voxelwise(image(shape)[None])[0].argmax(0)
            share = float(kept.float().mean())
            require(
                share >= AGREEMENT,
                f"of an image of shape {shape}, {share:.0%} of the voxels have the label of a network that sees one "
                f"voxel (mirror_axes {mirrored}); expected {AGREEMENT:.0%}",
            )


def _averages_mirror_images(subject: Subject, axes: int) -> None:
    """Raise unless a symmetric image has symmetric logits if mirror images along its axis of symmetry are averaged."""
    patch = PATCHES[axes]
    half = image((4, 8, 8))
    symmetric = torch.cat([half, half.flip(-1)], -1)
    logits = _bound(subject, axes, (len(patch) - 1,)).logits(shifted, symmetric, _ignored)
    error = float((logits - logits.flip(-1)).abs().max())
    require(
        error < ROUNDING,
        f"a symmetric image has logits that differ from their mirror image by {error:.2g}; expected a mean of both",
    )


def _repeats(subject: Subject) -> None:
    first, again = (_bound(subject, 3, ()).logits(shifted, image(SHAPES[0]), _ignored) for _ in range(2))
    require(torch.equal(first, again), "the same image has other logits the second time")


def _keeps_arguments(subject: Subject) -> None:
    given = image(SHAPES[0])
    _bound(subject, 3, (0, 1, 2)).logits(voxelwise, given, _ignored)
    require(torch.equal(given, image(SHAPES[0])), "the image is changed")


def _reports(subject: Subject, axes: int) -> None:
    inference = _bound(subject, axes, (0,))
    for shape in SHAPES:
        reports: list[int] = []
        inference.logits(voxelwise, image(shape), lambda: reports.append(1))  # noqa: B023
        expected = inference.passes(shape)
        require(
            len(reports) == expected,
            f"an image of shape {shape} has {len(reports)} reports; passes says {expected}",
        )


def _gives_slabs(subject: Subject) -> None:
    inference = _bound(subject, 3, (0, 2))
    if inference.slabbed is None:
        raise NotChecked("its entry does not say gives_slabs=True")
    for shape in SHAPES:
        networks = [shifted, lambda batch: 3 * shifted(batch)]
        reports: list[int] = []
        slabs = inference.slabs(networks, image(shape), OUTPUTS, lambda: reports.append(1))  # noqa: B023
        joined = torch.cat([slab.cpu().clone() for slab in slabs], 1)
        expected = 2 * inference.logits(shifted, image(shape), _ignored).cpu()
        error = float((joined - expected).abs().max())
        require(error < ROUNDING, f"slabs of shape {shape} differ by {error:.2g} from the mean of the networks' logits")
        wanted = 2 * inference.passes(shape)
        require(len(reports) == wanted, f"slabs of two networks have {len(reports)} reports, expected {wanted}")


def _bound(subject: Subject, axes: int, mirror_axes: tuple[int, ...]) -> AttributedInference:
    made: Inference = subject.create()
    context = InferenceContext(
        patch_size=PATCHES[axes],
        batch_size=2,
        mirror_axes=mirror_axes,
        outputs=OUTPUTS,
        device=torch.device("cpu"),
        sums_on_device=True,
        check_size=_any_size,
    )
    return AttributedInference(made, slabbed(cast("InferenceEntry", subject.entry), made), context)


def _any_size(size: Sequence[int]) -> None:
    """Accept the size."""


def _ignored() -> None:
    """Ignore a report."""


CHECKS: Checks = {
    "gives each voxel its own logits in 2D": partial(_keeps_places, axes=2),
    "gives each voxel its own logits in 3D": partial(_keeps_places, axes=3),
    "averages mirror images in 2D": partial(_averages_mirror_images, axes=2),
    "averages mirror images in 3D": partial(_averages_mirror_images, axes=3),
    "reports as often as it says in 2D": partial(_reports, axes=2),
    "reports as often as it says in 3D": partial(_reports, axes=3),
    "gives the same twice": _repeats,
    "leaves the image as it is": _keeps_arguments,
    "gives slabs of the same logits": _gives_slabs,
}
