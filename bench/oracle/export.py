"""Ask nnunetv2 how it resamples logits: ORACLE/bin/python bench/oracle/export.py OUT.npz.

OUT.npz belongs in tests/core/ops/golden/export.npz. Inputs are drawn from a seed, so that only results are stored.
"""

from __future__ import annotations

import sys

import numpy as np
from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape

CASES = {  # name: shape, new shape, spacing, new spacing (None: the spacings decide what is separated)
    "isotropic": ((6, 7, 5), (9, 10, 8), (1.0, 1.0, 1.0), (0.7, 0.7, 0.7)),
    "shrinking": ((9, 8, 10), (5, 8, 6), (1.0, 1.0, 1.0), (1.8, 1.0, 1.7)),
    "thick-first": ((4, 7, 6), (9, 10, 9), (5.0, 1.0, 1.0), (2.2, 0.7, 0.7)),
    "thick-second": ((7, 4, 6), (10, 7, 9), (1.0, 5.0, 1.0), (0.7, 2.9, 0.7)),
    "thick-last": ((7, 6, 9), (10, 9, 4), (1.0, 1.0, 4.0), (0.7, 0.7, 9.0)),
    "thick-goal": ((8, 7, 6), (3, 9, 9), (1.0, 1.0, 1.0), (4.0, 0.8, 0.8)),
    "slice": ((1, 7, 6), (1, 11, 9), (999.0, 1.0, 1.0), (999.0, 0.7, 0.7)),
    "unchanged": ((4, 5, 6), (4, 5, 6), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
}


def logits(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(7).normal(0, 3, (3, *shape)).astype(np.float32)


if __name__ == "__main__":
    results = {}
    for name, (shape, new_shape, spacing, new_spacing) in CASES.items():
        results[name] = resample_data_or_seg_to_shape(
            logits(shape), new_shape, spacing, new_spacing, is_seg=False, order=1, order_z=0, force_separate_z=None
        ).astype(np.float32)
        results[f"{name}-shape"] = np.array([shape, new_shape])
        results[f"{name}-spacing"] = np.array([spacing, new_spacing])
    np.savez_compressed(sys.argv[1], **results)
