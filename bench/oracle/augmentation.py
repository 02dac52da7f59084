"""What batchgeneratorsv2 0.3.6 makes of fixed parameters. Run with a Python that has it: augmentation.py GOLDEN.npz.

The file holds only results: `example` below and its twin in the tests make the input.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
from batchgeneratorsv2.transforms.intensity.contrast import ContrastTransform
from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.nnunet_masking import MaskImageTransform
from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size

SIZE = (5, 6, 7)
SPATIAL = {  # source, patch, angles in radians, scales
    "rotated": ((10, 13, 12), (6, 9, 8), (0.4, -0.3, 0.2), (1.0, 1.0, 1.0)),
    "rotated_scaled": ((10, 13, 12), (6, 9, 8), (-0.2, 0.5, 0.1), (1.3, 1.3, 1.3)),
    "scaled_up": ((10, 13, 12), (6, 9, 8), (0.0, 0.0, 0.0), (0.7, 0.7, 0.7)),
    "scaled_beyond": ((10, 13, 12), (7, 10, 8), (0.0, 0.0, 0.0), (1.4, 1.4, 1.4)),
    "turned_2d": ((25, 26), (17, 16), (2.5,), (1.2, 1.2)),
    "scaled_2d": ((25, 26), (17, 16), (0.0,), (0.8, 0.8)),
}
CROPS = {"crop": ((10, 13, 12), (6, 9, 8)), "crop_odd": ((11, 12, 9), (6, 7, 4))}
PATCHES = [
    ((128, 128, 128), 30), ((40, 56, 40), 30), ((96, 160, 160), 30), ((20, 320, 256), 180), ((512, 512), 180),
    ((320, 192), 15), ((56, 40), 180),
]  # fmt: skip


def example(size: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.RandomState(len(size))
    image = rng.normal(size=(2, *size)).astype(np.float32)
    label = rng.randint(-1, 4, (1, *size)).astype(np.int16)
    return torch.from_numpy(image), torch.from_numpy(label)


def spatial(source: tuple, patch: tuple, angles: tuple, scales: tuple) -> tuple[torch.Tensor, torch.Tensor]:
    transform = SpatialTransform(
        patch,
        0,
        False,
        p_rotation=1,
        rotation=lambda dim, **_: angles[dim] if len(angles) == 3 else angles[0],
        p_scaling=1,
        scaling=lambda **_: scales[0],
        p_synchronize_scaling_across_axes=1,
        border_mode_seg="constant",
        padding_value_seg=-1,
    )
    return _both(transform, *example(source))


def cropped(source: tuple, patch: tuple) -> tuple[torch.Tensor, torch.Tensor]:
    return _both(SpatialTransform(patch, 0, False, border_mode_seg="constant", padding_value_seg=-1), *example(source))


def _both(transform: Callable, image: torch.Tensor, label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    result = transform(image=image, segmentation=label)
    return result["image"], result["segmentation"][0]


def intensity() -> dict[str, torch.Tensor]:
    every, two = torch.arange(2), torch.tensor([True, True])
    factors = {"apply_to_channel": every, "multipliers": torch.tensor([0.8, 1.2])}
    zoom = SimulateLowResolutionTransform((0.5, 1), False, True, ())
    gamma = {"apply_to_channel": every, "retain_stats": two, "gamma": torch.tensor([0.75, 1.4])}
    image, label = example(SIZE)
    return {
        "blur": _fixed(
            GaussianBlurTransform((0.5, 1.0), benchmark=True),
            apply_to_channel=two,
            sigmas=[[0.5, 0.75, 1.0], [0.9, 0.6, 0.8]],
        ),
        "brightness": _fixed(MultiplicativeBrightnessTransform((0, 1), False), **factors),
        "contrast": _fixed(ContrastTransform((0, 1), True, False), **factors),
        "low_resolution": _fixed(zoom, apply_to_channel=every, scales=torch.tensor([[0.5] * 3, [0.83] * 3])),
        "low_resolution_in_plane": _fixed(
            zoom, apply_to_channel=every, scales=torch.tensor([[1, 0.6, 0.6], [1, 0.9, 0.9]])
        ),
        "gamma": _fixed(GammaTransform((0.7, 1.5), 0, False, 1, 1), **gamma, invert_image=~two),
        "gamma_inverted": _fixed(GammaTransform((0.7, 1.5), 1, False, 1, 1), **gamma, invert_image=two),
        "mask": MaskImageTransform([1])(image=image, segmentation=label)["image"],
        "mirror": _fixed(MirrorTransform((0, 1, 2)), axes=[0, 2]),
        "noise_std": _noise_std(0.1),
    }


def _fixed(transform: BasicTransform, **params: Any) -> torch.Tensor:
    return transform.apply({"image": example(SIZE)[0]}, **params)["image"]


def _noise_std(sigma: float) -> torch.Tensor:
    params = {"num_apply": 1, "apply_idx": torch.tensor([0]), "sigmas": sigma}
    transform = GaussianNoiseTransform((0, 0.1), 1, True)
    return transform.apply({"image": torch.zeros(1, 60, 60, 60)}, **params)["image"].std()


def sources() -> list[list[list[int] | float]]:
    figures = []
    for patch, degrees in PATCHES:
        angle = (-degrees / 360 * 2 * np.pi, degrees / 360 * 2 * np.pi)
        figures.append([list(patch), degrees, get_patch_size(patch, angle, angle, angle, (0.85, 1.25)).tolist()])
    return figures


def main(out: Path) -> None:
    torch.manual_seed(0)
    figures = {name: result.numpy() for name, result in intensity().items()}
    for name, (image, label) in {
        **{name: spatial(*case) for name, case in SPATIAL.items()},
        **{name: cropped(*case) for name, case in CROPS.items()},
    }.items():
        figures |= {name: image.numpy(), f"{name}_label": label.numpy()}
    np.savez_compressed(out, sources=json.dumps(sources()), **figures)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
