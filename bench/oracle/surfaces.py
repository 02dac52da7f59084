"""Ask MONAI how far surfaces are apart: ORACLE/bin/python bench/oracle/surfaces.py OUT.json.

OUT.json belongs in tests/core/ops/golden/surfaces.json. Masks are drawn from a seed, so that only results are stored.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice
from scipy import ndimage

CASES = {  # name: shape, spacing in mm
    "isotropic": ((20, 24, 22), (1.0, 1.0, 1.0)),
    "anisotropic": ((9, 30, 28), (5.0, 0.7, 0.9)),
    "plane": ((40, 32), (0.5, 2.0)),
}
TOLERANCE = 2.0


def masks(shape: tuple[int, ...]) -> list[np.ndarray]:
    """Two blobs that touch the border and overlap."""
    rng = np.random.default_rng(3)
    fields = [ndimage.gaussian_filter(rng.normal(size=shape), 2) for _ in range(2)]
    return [field > np.quantile(field, 0.8) for field in (fields[0], fields[0] + 0.5 * fields[1])]


if __name__ == "__main__":
    results = {}
    for name, (shape, spacing) in CASES.items():
        prediction, reference = (torch.from_numpy(mask)[None, None] for mask in masks(shape))
        given = {"y_pred": prediction, "y": reference, "spacing": spacing, "include_background": True}
        results[name] = {
            "HD": float(compute_hausdorff_distance(**given)),
            "HD95": float(compute_hausdorff_distance(**given, percentile=95)),
            "ASSD": float(compute_average_surface_distance(**given, symmetric=True)),
            "NSD": float(compute_surface_dice(**given, class_thresholds=[TOLERANCE])),
        }
    Path(sys.argv[1]).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
