"""Ask nnunetv2 how it resamples images and label maps: ORACLE/bin/python bench/oracle/resample.py OUT.npz.

OUT.npz belongs in tests/core/ops/golden/resample.npz.
"""

from __future__ import annotations

import sys

import numpy as np
from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape
from scipy.ndimage import gaussian_filter

CASES = {  # name: shape, new shape, spacing, new spacing
    "isotropic": ((6, 7, 5), (9, 10, 8), (1.0, 1.0, 1.0), (0.7, 0.7, 0.7)),
    "shrinking": ((9, 8, 10), (5, 8, 6), (1.0, 1.0, 1.0), (1.8, 1.0, 1.7)),
    "halved": ((8, 8, 8), (4, 4, 4), (1.0, 1.0, 1.0), (2.0, 2.0, 2.0)),
    "doubled": ((4, 5, 6), (8, 10, 12), (1.0, 1.0, 1.0), (0.5, 0.5, 0.5)),
    "thick-first": ((4, 7, 6), (9, 10, 9), (5.0, 1.0, 1.0), (2.2, 0.7, 0.7)),
    "thick-second": ((7, 4, 6), (10, 7, 9), (1.0, 5.0, 1.0), (0.7, 2.9, 0.7)),
    "thick-last": ((7, 6, 9), (10, 9, 4), (1.0, 1.0, 4.0), (0.7, 0.7, 9.0)),
    "thick-goal": ((8, 7, 6), (3, 9, 9), (1.0, 1.0, 1.0), (4.0, 0.8, 0.8)),
    "two-thick": ((5, 5, 8), (5, 5, 10), (4.0, 4.0, 1.0), (4.0, 4.0, 0.8)),
    "slice": ((1, 7, 6), (1, 11, 9), (999.0, 1.0, 1.0), (999.0, 0.7, 0.7)),
    "long": ((150, 2, 1), (101, 3, 1), (1.0, 1.0, 1.0), (1.5, 0.7, 1.0)),
}


def main(path: str) -> None:
    results = {}
    for name, (shape, new_shape, spacing, new_spacing) in CASES.items():
        random = np.random.default_rng(7)
        image = random.normal(0, 3, (1, *shape)).astype(np.float32)
        fields = [gaussian_filter(random.standard_normal(shape), 1) for _ in range(4)]
        label = np.argmax(fields, axis=0).astype(np.int16)[None] - 1
        grids = (new_shape, spacing, new_spacing)
        new_image = resample_data_or_seg_to_shape(image, *grids, is_seg=False, order=3, force_separate_z=None)
        new_label = resample_data_or_seg_to_shape(label, *grids, is_seg=True, order=1, force_separate_z=None)
        results[f"{name}-spacing"] = np.array([spacing, new_spacing])
        results[f"{name}-image"], results[f"{name}-new-image"] = image, new_image.astype(np.float32)
        results[f"{name}-label"], results[f"{name}-new-label"] = label[0].astype(np.int8), new_label[0].astype(np.int8)
    np.savez_compressed(path, **results)


if __name__ == "__main__":
    main(sys.argv[1])
