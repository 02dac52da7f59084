"""Where nnunetv2 2.8.1 places patches. Run with a Python that has it: python sampling.py GOLDEN.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader

CASES = [  # shape of the case, patch that is cut, patch that the network sees
    ((40, 50, 60), (24, 27, 30), (16, 16, 16)),
    ((10, 50, 20), (24, 27, 30), (16, 16, 16)),
    ((9, 9, 9), (8, 8, 8), (8, 8, 8)),
    ((5, 8, 30), (8, 8, 8), (8, 8, 8)),
    ((12, 40, 33), (31, 29), (24, 20)),
    ((1, 20, 50), (31, 29), (24, 20)),
]
DRAWS = 3000


def main(out: Path) -> None:
    np.random.seed(0)
    out.write_text(json.dumps([_case(*case) for case in CASES]) + "\n")


def _case(shape: tuple[int, ...], size: tuple[int, ...], network_size: tuple[int, ...]) -> dict[str, object]:
    labels = SimpleNamespace(all_labels=[0, 1], has_ignore_label=False)
    data = SimpleNamespace(identifiers=["case"])
    loader = nnUNetDataLoader(data, 2, size, network_size, labels, 0.33)
    starts = np.array([loader.get_bbox(np.array(shape), force_fg=False, class_locations=None)[0] for _ in range(DRAWS)])
    voxels = [tuple(int(v) for v in np.random.randint(0, shape)) for _ in range(8)] + [(0, 0, 0)]
    voxels.append(tuple(s - 1 for s in shape))
    centred = [
        loader.get_bbox(np.array(shape), force_fg=True, class_locations={1: np.array([[0, *voxel]])})[0]
        for voxel in voxels
    ]
    return {
        "shape": shape,
        "size": size,
        "network_size": network_size,
        "lowest": starts.min(0).tolist(),
        "highest": starts.max(0).tolist(),
        "voxels": voxels,
        "starts": [[int(v) for v in start] for start in centred],
        "forced": [[batch, [loader_forced(loader, batch, i) for i in range(batch)]] for batch in (2, 3, 5, 12, 49)],
    }


def loader_forced(loader: nnUNetDataLoader, batch: int, sample: int) -> bool:
    loader.batch_size = batch
    return bool(loader.get_do_oversample(sample))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
