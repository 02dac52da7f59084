"""Ask nnunetv2 for window positions and Gaussian maps: ORACLE/bin/python bench/oracle/sliding_window.py OUT.json.

OUT.json belongs in tests/core/ops/golden/sliding_window.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from nnunetv2.inference.sliding_window_prediction import compute_gaussian, compute_steps_for_sliding_window

PATCHES = ((5, 8), (16, 9), (4, 6, 8), (1, 4, 12))
SIGMAS = (1 / 8, 1 / 4, 1 / 16)


def positions(rng: np.random.Generator) -> list[dict[str, object]]:
    cases = []
    for _ in range(60):
        axes = int(rng.integers(2, 4))
        patch = [int(p) for p in rng.integers(1, 200, axes)]
        shape = [p + int(extra) for p, extra in zip(patch, rng.integers(0, 500, axes), strict=True)]
        step = float(rng.choice([0.25, 0.3, 0.5, 0.75, 1.0]))
        starts = compute_steps_for_sliding_window(tuple(shape), tuple(patch), step)
        cases.append({"shape": shape, "patch": patch, "step": step, "starts": starts})
    return cases


def weights(patch: tuple[int, ...], sigma: float) -> list[float]:
    return compute_gaussian(patch, sigma, 1.0, torch.float32, torch.device("cpu")).flatten().tolist()


def gaussians() -> list[dict[str, object]]:
    return [
        {
            "patch": patch,
            "sigma": sigma,
            "weight": [float(f"{w:.6g}") for w in weights(patch, sigma)],
        }
        for patch in PATCHES
        for sigma in SIGMAS
    ]


if __name__ == "__main__":
    figures = {"positions": positions(np.random.default_rng(0)), "gaussians": gaussians()}
    Path(sys.argv[1]).write_text(json.dumps(figures, separators=(",", ":")) + "\n")
