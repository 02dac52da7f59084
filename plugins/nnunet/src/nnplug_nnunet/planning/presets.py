"""The constants that differ between nnU-Net's planners."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """The budget of 2D or of 3D configurations.

    Attributes:
        elements: feature-map elements of the reference batch at the preset's memory target.
        batch_size: the reference batch.
        max_features: largest number of channels of a stage.
        volume: voxels of the first patch, before it is clipped to the images and shrunk to the budget.
    """

    elements: float
    batch_size: int
    max_features: int
    volume: int


@dataclass(frozen=True)
class Preset:
    """The constants of a planner.

    Attributes:
        architecture: the network, unless the user or the recipe names one.
        memory_gb: the memory target that the budgets belong to, GB.
        budget_3d: budget of 3D configurations.
        budget_2d: budget of the 2d configuration.
        shrink_at_batch_two: whether the patch shrinks until two samples fit (plain) or the reference batch (ResEnc).
        dataset_share: the largest share of the dataset's voxels in one batch.
    """

    architecture: str
    memory_gb: float
    budget_3d: Budget
    budget_2d: Budget
    shrink_at_batch_two: bool
    dataset_share: float


def _preset(
    architecture: str,
    memory_gb: float,
    *,
    elements_3d: float,
    elements_2d: float,
    shrink_at_batch_two: bool = False,
    dataset_share: float = 1,
) -> Preset:
    return Preset(
        architecture,
        memory_gb,
        Budget(elements_3d, batch_size=2, max_features=320, volume=256**3),
        Budget(elements_2d, batch_size=12, max_features=512, volume=2048**2),
        shrink_at_batch_two,
        dataset_share,
    )


PLAIN = _preset("plain-conv-unet", 8, elements_3d=560e6, elements_2d=85e6, shrink_at_batch_two=True, dataset_share=0.05)
RESENC_M = _preset("residual-encoder-unet", 8, elements_3d=680e6, elements_2d=135e6)
RESENC_L = _preset("residual-encoder-unet", 24, elements_3d=2.1e9, elements_2d=380e6)
RESENC_XL = _preset("residual-encoder-unet", 40, elements_3d=3.6e9, elements_2d=560e6)
