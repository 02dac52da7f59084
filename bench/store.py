"""Time patches from a case store against blosc2 files: 200 cases like Hippocampus, 2d, batch 366, patch 56 x 40.

python bench/store.py [STORE]      a folder that nnplug preprocess made; without it, noise of the same shapes
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import blosc2
import numpy as np
from scipy.ndimage import gaussian_filter

from nnplug.data.frame import Frame
from nnplug.data.store import CaseStore, Prepared

CASES, BATCH, BATCHES, PATCH = 200, 366, 5, (56, 40)
SHAPE = (36, 50, 35)
BOX = np.s_[: PATCH[0], : PATCH[1]]


def fill(store: CaseStore) -> None:
    """Write smooth noise."""
    random = np.random.default_rng(0)
    frame = Frame(
        original_shape=SHAPE,
        original_spacing=(1, 1, 1),
        transpose_forward=(0, 1, 2),
        bounding_box=((0, 36), (0, 50), (0, 35)),
        shape=SHAPE,
        spacing=(1, 1, 1),
    )
    for index in range(CASES):
        image = gaussian_filter(random.standard_normal(SHAPE), 1).astype(np.float32)[None]
        store.write(f"case_{index:03d}", Prepared(image, (image[0] > 0.3).astype(np.int16), frame))


def convert(store: CaseStore, folder: Path) -> None:
    """Write the same cases as blosc2 files, a slice per block."""
    for name, case in store.items():
        for part, array in (("image", np.asarray(case.image)), ("label", np.asarray(case.label))):
            blocks = (*(1,) * (array.ndim - 2), *array.shape[-2:])
            cparams = {"codec": blosc2.Codec.ZSTD, "clevel": 8}
            path = folder / f"{name}_{part}.b2nd"
            blosc2.asarray(array, chunks=array.shape, blocks=blocks, urlpath=str(path), cparams=cparams)


def timed(read: Callable[[str, int], object], store: CaseStore) -> float:
    """Seconds per batch."""
    random = np.random.default_rng(1)
    names = list(store)
    picks = [(names[random.integers(len(names))], random.random()) for _ in range(BATCH * BATCHES)]
    start = time.perf_counter()
    for name, place in picks:
        read(name, int(place * store[name].label.shape[0]))
    return (time.perf_counter() - start) / BATCHES


def size(folder: Path) -> float:
    """MB of the files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def main(stored: str | None = None) -> None:
    """Print seconds and size of both."""
    with tempfile.TemporaryDirectory() as temporary:
        store = CaseStore(stored or Path(temporary) / "store")
        if stored is None:
            fill(store)
        folder = Path(temporary) / "blosc2"
        folder.mkdir()
        convert(store, folder)
        blosc2.set_nthreads(1)

        def ours(name: str, z: int) -> object:
            case = store[name]
            return case.image[:, z : z + 1, *BOX], case.label[z : z + 1, *BOX]

        def theirs(name: str, z: int) -> object:
            image, label = (
                blosc2.open(str(folder / f"{name}_{part}.b2nd"), mode="r", mmap_mode="r") for part in ("image", "label")
            )
            return image[:, z : z + 1, *BOX], label[z : z + 1, *BOX]

        for what, read, place in (("nnplug", ours, store.folder), ("blosc2", theirs, folder)):
            first, again = timed(read, store), timed(read, store)
            print(f"{what}: {1e3 * first:.0f}, then {1e3 * again:.0f} ms per batch of {BATCH}; {size(place):.0f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
