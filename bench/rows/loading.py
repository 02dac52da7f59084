"""Reading the patches of a batch of Hippocampus 2d from preprocessed cases."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.row import Case, Inside, Row, Work

if TYPE_CHECKING:
    import numpy as np

SHAPE, PATCH = (36, 50, 35), (56, 40)


def volume(index: int) -> np.ndarray[Any, Any]:
    """Smooth noise, which compresses as images do."""
    import numpy as np
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(np.random.default_rng(index).standard_normal(SHAPE), 1).astype(np.float32)


def slices(read: Callable[[int, int], None], cases: int, batch: int) -> Work:
    """Read so many random slices per measurement."""
    import numpy as np

    seeds = count()

    def work() -> None:
        draw = np.random.default_rng(next(seeds))
        for _ in range(batch):
            read(int(draw.integers(cases)), int(draw.integers(SHAPE[0])))

    return work


def ours(cases: int, batch: int) -> Work:
    """nnplug's case store."""
    import numpy as np

    from nnplug.io.crop_info import CropInfo
    from nnplug.workspace.case_store import CaseStore, Prepared

    store, crop_info = (
        CaseStore(Path(tempfile.mkdtemp(prefix="bench-"))),
        CropInfo(
            original_shape=SHAPE,
            original_spacing=(1, 1, 1),
            transpose_forward=(0, 1, 2),
            bounding_box=((0, SHAPE[0]), (0, SHAPE[1]), (0, SHAPE[2])),
            shape=SHAPE,
            spacing=(1, 1, 1),
        ),
    )
    for index in range(cases):
        image = volume(index)
        store.write(str(index), Prepared(image[None], (image > 0.3).astype(np.int16), crop_info.data()))

    def read(index: int, z: int) -> None:
        case = store[str(index)]
        assert case.image[:, z, : PATCH[0], : PATCH[1]].shape[1:] == case.label[z, : PATCH[0], : PATCH[1]].shape

    return slices(read, cases, batch)


def theirs(cases: int, batch: int) -> Work:
    """nnU-Net's compressed arrays, in chunks as its preprocessing chooses them."""
    import numpy as np
    from nnunetv2.training.dataloading.nnunet_dataset import comp_blosc2_params, nnUNetDatasetBlosc2

    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    blocks, chunks = comp_blosc2_params((1, *SHAPE), PATCH)
    for index in range(cases):
        image = volume(index)
        label = (image > 0.3).astype(np.int8)[None]
        layout = {"chunks": chunks, "blocks": blocks, "chunks_seg": chunks, "blocks_seg": blocks}
        nnUNetDatasetBlosc2.save_case(image[None], label, {}, str(folder / str(index)), **layout)
    dataset = nnUNetDatasetBlosc2(str(folder))

    def read(index: int, z: int) -> None:
        image, label, _, _ = dataset.load_case(str(index))
        assert image[:, z, : PATCH[0], : PATCH[1]].shape == label[:, z, : PATCH[0], : PATCH[1]].shape

    return slices(read, cases, batch)


ROW = Row(
    title="reading patches, Hippocampus 2d batch 366",
    ours=Inside(ours),
    theirs=Inside(theirs),
    cases=(Case("200 cases, smooth noise", {"cases": 200, "batch": 366}, quick={"cases": 5, "batch": 20}),),
    note="Whole slices of image and label, read from files that the operating system holds in memory.",
)
