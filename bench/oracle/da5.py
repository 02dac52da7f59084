"""What batchgeneratorsv2 0.3.6 makes of fixed parameters of nnUNetTrainerDA5's transforms, and of nearest sampling.

Run it with a Python that has it: `ORACLE/bin/python bench/oracle/da5.py`. It writes
tests/plugins/nnunet/augmentation/golden/da5.npz; `example` of `augmentation.py`, and its twin in the tests, make the
input.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from augmentation import SIZE, _both, _fixed, example
from batchgeneratorsv2.transforms.intensity.brightness import BrightnessAdditiveTransform
from batchgeneratorsv2.transforms.intensity.contrast import ContrastTransform
from batchgeneratorsv2.transforms.local.brightness_gradient import BrightnessGradientAdditiveTransform
from batchgeneratorsv2.transforms.local.local_gamma import LocalGammaTransform
from batchgeneratorsv2.transforms.noise.blank_rectangle import BlankRectangleTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.noise.median_filter import MedianFilterTransform
from batchgeneratorsv2.transforms.noise.sharpen import SharpeningTransform
from batchgeneratorsv2.transforms.spatial.rot90 import Rot90Transform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.spatial.transpose import TransposeAxesTransform

GOLDEN = Path(__file__).parents[2] / "tests/plugins/nnunet/augmentation/golden/da5.npz"
NEAREST = {  # source, patch, angles in radians, scales
    "nearest_3d": ((10, 13, 12), (6, 9, 8), (0.4, 0.0, 0.2), (1.3, 0.8, 1.1)),
    "nearest_2d": ((25, 26), (17, 16), (2.5,), (1.2, 0.9)),
}
CENTRES, WIDTHS = (0.2, 1.1, -0.3), (1.5, 3.0, 4.5)


def nearest(source: tuple, patch: tuple, angles: tuple, scales: tuple) -> tuple[torch.Tensor, torch.Tensor]:
    transform = SpatialTransform(
        patch,
        0,
        False,
        p_rotation=1,
        rotation=lambda dim, **_: angles[dim] if len(angles) == 3 else angles[0],
        p_scaling=1,
        scaling=lambda dim, **_: scales[dim],
        p_synchronize_scaling_across_axes=-1,
        border_mode_seg="constant",
        padding_value_seg=-1,
        mode_image="nearest",
        mode_seg="nearest",
    )
    return _both(transform, *example(source))


def around(transform: Callable) -> np.ndarray:
    return transform(lambda _, axis: WIDTHS[axis], lambda _, axis: CENTRES[axis])._generate_kernel(SIZE)  # noqa: SLF001


def local() -> dict[str, torch.Tensor]:
    gradient = around(BrightnessGradientAdditiveTransform)
    gamma = LocalGammaTransform(1)
    kernels = [gradient, gradient[::-1].copy()]
    boxes = [[([0, 1, 2], [2, 4, 6]), ([1, 0, 3], [3, 6, 5])], [([4, 5, 0], [5, 6, 7])]]
    return {
        "weights": torch.from_numpy(gradient),
        "gradient": _fixed(BrightnessGradientAdditiveTransform(1), kernels=[gradient * 2.5, gradient * -1.5]),
        "local_gamma": _fixed(gamma, kernels=[gradient, gradient], gammas=[0.3, 2.5]),
        "boxes": _fixed(BlankRectangleTransform(1, torch.mean, 1), apply_channel=[True, True], rectangles=boxes),
        "kernels": torch.from_numpy(np.stack(kernels)),
    }


def pointwise() -> dict[str, torch.Tensor]:
    both = {"apply_channel": [True, True]}
    every = {"apply_to_channel": torch.arange(2)}
    factors = {**every, "multipliers": torch.tensor([0.6, 1.7])}
    return {
        "median": _fixed(MedianFilterTransform(3), **both, filter_sizes=[2, 5]),
        "even_blur": _fixed(
            GaussianBlurTransform((0.3, 1.5)),
            apply_to_channel=torch.tensor([True, True]),
            sigmas=[[0.35] * 3, [0.7] * 3],
        ),
        "shift": _fixed(BrightnessAdditiveTransform(0, 0.5), **every, shift=torch.tensor([0.4, -0.7])),
        "contrast_clipped": _fixed(ContrastTransform((0, 1), True, False), **factors),
        "contrast_free": _fixed(ContrastTransform((0, 1), False, False), **factors),
        "sharpened": _fixed(
            SharpeningTransform((0.1, 1)), **both, strengths=[0.3, 0.9], clamp_intensities=[False, False]
        ),
    }


def flat_sharpening() -> torch.Tensor:
    image = example(SIZE)[0][:, 0]
    params = {"apply_channel": [True, True], "strengths": [0.3, 0.9], "clamp_intensities": [False, False]}
    return SharpeningTransform((0.1, 1)).apply({"image": image.clone()}, **params)["image"]


def turned() -> dict[str, torch.Tensor]:
    image, label = example((6, 6, 6))
    both = {"image": image, "segmentation": label}
    both = Rot90Transform(1).apply(both, num_rot_per_combination=[3], axis_combinations=[[1, 3]])
    both = TransposeAxesTransform({0, 1, 2}).apply(both, axis_order=[0, 2, 3, 1])
    return {"turned": both["image"], "turned_label": both["segmentation"][0]}


def main() -> None:
    figures: dict[str, Any] = {**local(), **pointwise(), **turned(), "sharpened_2d": flat_sharpening()}
    for name, case in NEAREST.items():
        figures[name], figures[f"{name}_label"] = nearest(*case)
    np.savez_compressed(GOLDEN, **{name: np.asarray(figure) for name, figure in figures.items()})


if __name__ == "__main__":
    main()
