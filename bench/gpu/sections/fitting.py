"""Prediction fits its device: label maps as on the CPU, overflow, budgets of memory, and the size of a pass."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import numpy as np
import torch

from gpu.row import Row
from gpu.scenes import BRATS, Scene, Weights, image_of, make_bundle, small
from gpu.site import Site
from gpu.timing import timing
from nnplug import Predictor
from nnplug.errors import NnplugError
from nnplug.runtime.progress import Silent

SPACING = (1.4, 0.8, 1.1)
"""Of images in mm; the network's grid has 1 mm, so that logits are resampled."""
_SMALL = Scene(features=(8, 16, 32), patch=(32, 32, 32), batch=2, shape=(46, 70, 55), classes=4)
_EQUAL = {
    "classes": _SMALL,
    "regions": replace(_SMALL, regions=True),
    "60 classes": replace(_SMALL, classes=60),
    "two folds": replace(_SMALL, folds=2),
}
_LEAST = {"float32": 0.9999, "float16": 0.99, "bfloat16": 0.97}
_FREE = "nnplug.inference.fitting.batch_size.free_memory"
_VOXELS = "nnplug.inference.fitting.batch_size.GPU_VOXELS"


class Notices(Silent):
    """A progress that keeps its notices."""

    def __init__(self) -> None:
        """Begin without one."""
        self.told: list[str] = []

    def notice(self, message: str) -> None:
        """Keep the message."""
        self.told.append(str(message))


def rows(site: Site) -> Iterator[Row]:
    """Yield the agreement of label maps, and what too little memory costs."""
    with TemporaryDirectory() as folder:
        for name, scene in _EQUAL.items():
            yield from _equal(site, name, replace(scene, shape=(20, 34, 30)) if site.tiny else scene, Path(folder))
        yield from _overflow(site, Path(folder))
        yield from _budgets(site, small(BRATS) if site.tiny else BRATS, Path(folder))
        yield from _passes(site, small(BRATS) if site.tiny else BRATS, Path(folder))


def _equal(site: Site, name: str, scene: Scene, folder: Path) -> Iterator[Row]:
    image, options = image_of(scene), {"mirroring": name == "classes" and not site.tiny}
    for precision, least in _LEAST.items():
        bundle = make_bundle(scene, folder / f"{name} {precision}", precision=precision)  # type: ignore[arg-type]
        expected = Predictor(bundle, device="cpu", **options).predict(image, SPACING)
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            found = Predictor(bundle, device=site.device, **options).predict(image, SPACING)
        what = f"label maps that agree with the CPU's: {name}, {precision}"
        yield Row(section="fitting", what=what, value=_share(found, expected), at_least=least)


def _overflow(site: Site, folder: Path) -> Iterator[Row]:
    """Predict with a last layer whose products float16 cannot hold."""

    def large(weights: Weights) -> Weights:
        last = list(weights)[-2:]  # of the finest head
        return {name: 3e4 * value if name in last else value for name, value in weights.items()}

    scene = replace(_SMALL, shape=(20, 34, 30)) if site.tiny else _SMALL
    bundle, notices = make_bundle(scene, folder / "overflow", change=large, precision="float16"), Notices()
    image = image_of(scene)
    mirroring = not site.tiny
    expected = Predictor(bundle, device="cpu", mirroring=mirroring).predict(image, SPACING)
    predictor = Predictor(bundle, device=site.device, mirroring=mirroring, progress=notices)
    found = predictor.predict(image, SPACING)
    told = "; ".join(notices.told)
    what = "label maps that agree after an overflow of float16"
    yield Row(section="fitting", what=what, value=_share(found, expected), at_least=0.999, note=told)


def _budgets(site: Site, scene: Scene, folder: Path) -> Iterator[Row]:
    """Predict in budgets that get smaller, while batches are chosen as if there were more memory."""
    bundle, image, expected = make_bundle(scene, folder / "budgets"), image_of(scene), None
    for gigabytes in (None, 4.0, 1.5, 0.9, 0.5):
        notices, found = Notices(), None
        options: dict[str, Any] = {"mirroring": not site.tiny, "gpu_memory_gb": gigabytes}
        with mock.patch(_FREE, return_value=60 << 30):
            try:
                predictor = Predictor(bundle, device=site.device, progress=notices, **options)
                found = predictor.predict(image, (1.0, 1.0, 1.0))
                del predictor
            except NnplugError as error:
                notices.notice(str(error))
        expected = found if expected is None else expected
        what = f"label maps that agree, budget {'none' if gigabytes is None else f'{gigabytes:g} GB'}"
        agreement = None if found is None else _share(found, expected)
        yield Row(section="fitting", what=what, value=agreement, at_least=0.999, note="; ".join(notices.told))
        _forget(site)


def _passes(site: Site, scene: Scene, folder: Path) -> Iterator[Row]:
    """Measure an image with passes of different sizes."""
    bundle, image = make_bundle(scene, folder / "passes"), image_of(scene)
    for millions in (2,) if site.tiny else (2, 4, 8, 16, 32):
        with mock.patch(_VOXELS, millions << 20):
            predictor = Predictor(bundle, device=site.device, mirroring=not site.tiny)
            cost = timing(site, lambda p=predictor: p.predict(image, (1.0, 1.0, 1.0)), warm=1, times=2)
        what = f"BraTS, mirrored, {millions} million voxels per pass"
        yield Row(section="fitting", what=what, value=cost.seconds, unit="s", note=f"tensors {cost.allocated:.2f} GiB")
        del predictor
        _forget(site)


def _share(one: Any, other: Any) -> float:
    """Return the share of voxels with the same label."""
    return float((np.asarray(one) == np.asarray(other)).mean())


def _forget(site: Site) -> None:
    gc.collect()
    if site.device == "cuda":
        torch.cuda.empty_cache()
