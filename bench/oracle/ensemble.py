"""Ask nnunetv2 for ensembles of random probabilities: ORACLE/bin/python bench/oracle/ensemble.py OUT.npz.

OUT.npz belongs in tests/core/inference/golden/ensemble.npz. Members are drawn from a seed: only results are stored.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from nnunetv2.ensembling.ensemble import average_probabilities
from nnunetv2.utilities.label_handling.label_handling import LabelManager

LABELS = {
    "classes": ({"background": 0, "a": 1, "b": 2}, None),
    "regions": ({"background": 0, "whole": [1, 2, 3], "core": [2, 3], "rim": 3}, [1, 2, 3]),
}
DTYPES = {"classes": (np.float32, np.float16, np.float32), "regions": (np.float16, np.float32)}


def members(name: str) -> list[np.ndarray]:
    """Probabilities (3, 4, 6, 5) of each member, with ties between classes."""
    rng = np.random.default_rng(11)
    logits = [np.round(rng.normal(0, 1, (3, 4, 6, 5)), 1) for _ in DTYPES[name]]
    shown = [1 / (1 + np.exp(-v)) if name == "regions" else np.exp(v) / np.exp(v).sum(0) for v in logits]
    return [v.astype(dtype) for v, dtype in zip(shown, DTYPES[name], strict=True)]


if __name__ == "__main__":
    results = {}
    for name, (labels, order) in LABELS.items():
        with tempfile.TemporaryDirectory() as folder:
            files = [str(Path(folder) / f"{i}.npz") for i in range(len(DTYPES[name]))]
            for file, probabilities in zip(files, members(name), strict=True):
                np.savez_compressed(file, probabilities=probabilities)
            mean = average_probabilities(files)
        manager = LabelManager(labels, order)
        results[f"{name}-mean"] = mean
        results[f"{name}-labels"] = manager.convert_probabilities_to_segmentation(mean)
    np.savez_compressed(sys.argv[1], **results)
