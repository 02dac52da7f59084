"""Prediction of the same images by nnunetv2."""

from __future__ import annotations

from collections.abc import Iterator

from gpu import nnunet
from gpu.row import Row
from gpu.scenes import small
from gpu.sections.predict import SCENES, images
from gpu.site import Site


def rows(site: Site) -> Iterator[Row]:
    """Yield seconds and memory of each image."""
    nnunet.use_folders(site)
    for name, (full, mirroring) in SCENES.items():
        scene = small(full) if site.tiny else full
        yield from images("predict_nnunetv2", site, name, scene, nnunet.predictor_of(scene, site, mirroring=mirroring))
