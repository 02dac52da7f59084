"""A training step of nnunetv2: its own trainer, with and without compiling."""

from __future__ import annotations

import os
from collections.abc import Iterator

from gpu import nnunet
from gpu.row import Row
from gpu.scenes import small
from gpu.sections.step import SCENES, rows_of
from gpu.site import Site
from gpu.timing import timing


def rows(site: Site) -> Iterator[Row]:
    """Yield the time and the memory of a step."""
    nnunet.use_folders(site)
    for compiles in ("f", "t") if site.compiles else ("f",):
        os.environ["nnUNet_compile"] = compiles  # noqa: SIM112 - nnU-Net's spelling
        for title in ("Hippocampus", "BraTS"):
            scene = small(SCENES[title]) if site.tiny else SCENES[title]
            name = f"{title}, {'compiled' if compiles == 't' else 'layer by layer'}"
            cost = timing(site, nnunet.step_of(scene, site), warm=site.pick(8, 1), times=site.pick(30, 2))
            yield from rows_of("step_nnunetv2", name, cost)
