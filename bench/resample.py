"""Time nnplug's resampling against skimage's on 120 x 512 x 512 -> 240 x 400 x 400, cubic.

python bench/resample.py
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from skimage.transform import resize

from nnplug.ops.resample import resample_image

OLD, NEW = (120, 512, 512), (240, 400, 400)


def timed(function: Callable[[], npt.NDArray[np.float32]]) -> tuple[float, npt.NDArray[np.float32], int]:
    """Seconds, result, and peak memory of the process so far in MiB."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    """Print both times, their ratio, the largest difference and memory."""
    image = np.random.default_rng(0).standard_normal((1, *OLD)).astype(np.float32)
    resample_image(image[:, :4], (8, 400, 400))
    ours, result, memory = timed(lambda: resample_image(image, NEW))
    theirs, expected, their_memory = timed(lambda: resize(image[0], NEW, order=3, mode="edge", anti_aliasing=False))
    error = np.abs(result[0] - expected).max() / np.ptp(image)
    print(f"nnplug {ours:.2f} s, peak {memory} MiB; skimage {theirs:.2f} s, peak {their_memory} MiB")
    print(f"{theirs / ours:.0f} times faster; largest difference {error:.1e} of the range")


if __name__ == "__main__":
    main()
