"""What nnplug-brats adds to nnplug: so far a word for the start of the BraTS variant."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import Recipe, hookimpl


@hookimpl
def nnplug_recipes() -> Iterable[Recipe]:
    """`--recipe brats` chooses nnU-Net's components by name; no code of another plugin is imported."""
    yield Recipe("brats", {"planner": "nnunet", "trainer": "nnunet"}, "nnU-Net as the BraTS 2020 entry started from")
