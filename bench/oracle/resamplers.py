"""Ask nnunetv2 how its other functions resample: ORACLE/bin/python bench/oracle/resamplers.py OUT.npz.

OUT.npz belongs in tests/plugins/nnunet/golden/resamplers.npz.
"""

from __future__ import annotations

import sys

import numpy as np
from nnunetv2.preprocessing.resampling.utils import recursive_find_resampling_fn_by_name
from resample import CASES
from scipy.ndimage import gaussian_filter

FUNCTIONS = {
    "torch": ("resample_torch_fornnunet", {"force_separate_z": False, "memefficient_seg_resampling": False}),
    "torch-sepz": ("resample_torch_fornnunet", {"force_separate_z": None, "memefficient_seg_resampling": False}),
    "none": ("no_resampling_hack", {}),
}
"""As the planners of nnunetv2 2.8.1 write them."""


def main(path: str) -> None:
    results = {}
    for case in ("isotropic", "shrinking", "thick-first", "thick-second"):
        shape, new_shape, spacing, new_spacing = CASES[case]
        random = np.random.default_rng(7)
        image = random.normal(0, 3, (1, *shape)).astype(np.float32)
        fields = [gaussian_filter(random.standard_normal(shape), 1) for _ in range(4)]
        label = np.argmax(fields, axis=0).astype(np.int16)[None] - 1
        results |= {f"{case}-image": image, f"{case}-label": label[0].astype(np.int8)}
        results[f"{case}-spacing"] = np.array([spacing, new_spacing])
        results[f"{case}-shape"] = np.array(new_shape)
        for name, (function, keywords) in FUNCTIONS.items():
            resample = recursive_find_resampling_fn_by_name(function)
            for what, array in (("image", image), ("label", label)):
                own = {**keywords, "is_seg": what == "label"} if keywords else {}
                found = resample(array.copy(), new_shape, spacing, new_spacing, **own)
                results[f"{case}-{name}-{what}"] = np.asarray(found)[0].astype(
                    np.float32 if what == "image" else np.int8
                )
    np.savez_compressed(path, **results)


if __name__ == "__main__":
    main(sys.argv[1])
