"""Prediction of whole images with one `Predictor`: mirrored BraTS, 60 classes, and a card with 8 GB."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from gpu.row import Row
from gpu.scenes import BRATS, MANY_CLASSES, Scene, make_bundle, small
from gpu.site import Site
from nnplug import Predictor

SCENES = {"BraTS, 8 mirror images": (BRATS, True), "320^3, 60 classes": (MANY_CLASSES, False)}


def rows(site: Site) -> Iterator[Row]:
    """Yield seconds and memory of each image."""
    for name, (full, mirroring) in SCENES.items():
        scene = small(full) if site.tiny else full
        with TemporaryDirectory() as folder:
            bundle = make_bundle(scene, Path(folder) / "model")
            predictor = Predictor(bundle, device=site.device, mirroring=mirroring)
            yield from images(
                "predict", site, name, scene, lambda image, p=predictor: p.predict(image, (1.0, 1.0, 1.0))
            )
    yield from _on_a_small_card(site)


def images(section: str, site: Site, name: str, scene: Scene, predict: Callable[[Any], Any]) -> Iterator[Row]:
    """Yield the seconds of two images, the memory of the device and the largest memory of this process."""
    for number in range(2):
        if site.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        image = scene.volume(number)[0]
        started = time.perf_counter()
        predict(image)
        yield Row(section=section, what=f"{name}: image {number + 1}", value=time.perf_counter() - started, unit="s")
    if site.device == "cuda":
        peak, reserved = torch.cuda.max_memory_allocated() / 2**30, torch.cuda.max_memory_reserved() / 2**30
        yield Row(section=section, what=f"{name}: tensors", value=peak, unit="GiB", note=f"reserved {reserved:.2f}")
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    yield Row(section=section, what=f"{name}: memory of the host", value=host, unit="GiB")


def _on_a_small_card(site: Site) -> Iterator[Row]:
    """Predict many classes with 8 GB, in which the sums of the windows do not fit."""
    what = "320^3, 60 classes on 8 GB"
    if site.device != "cuda":
        yield Row(section="predict", what=what, value=None, note="no GPU")
        return
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(8 * 2**30 / total)
    scene = small(MANY_CLASSES) if site.tiny else replace(MANY_CLASSES, batch=2)
    with TemporaryDirectory() as folder:
        predictor = Predictor(make_bundle(scene, Path(folder) / "model"), device=site.device, mirroring=False)
        yield from images("predict", site, what, scene, lambda image: predictor.predict(image, (1.0, 1.0, 1.0)))
