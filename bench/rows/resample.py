"""Cubic resampling of a volume, the heart of preprocessing."""

from __future__ import annotations

from harness.row import Case, Goal, Inside, Row, Work


def ours(old: tuple[int, int, int], new: tuple[int, int, int]) -> Work:
    """nnplug's; its difference from skimage's is tested elsewhere."""
    import numpy as np

    from nnplug.ops.resample import resample_image

    image = np.random.default_rng(0).standard_normal((1, *old)).astype(np.float32)

    def work() -> None:
        resample_image(image, tuple(new))

    return work


def theirs(old: tuple[int, int, int], new: tuple[int, int, int]) -> Work:
    """skimage's, as nnU-Net calls it."""
    import numpy as np
    from skimage.transform import resize

    image = np.random.default_rng(0).standard_normal(old).astype(np.float32)

    def work() -> None:
        resize(image, new, order=3, mode="edge", anti_aliasing=False)

    return work


ROW = Row(
    title="cubic resampling",
    peer="skimage",
    ours=Inside(ours),
    theirs=Inside(theirs),
    rounds=2,
    warm_up=0,
    cases=(
        Case(
            "120 x 512 x 512 -> 240 x 400 x 400",
            {"old": (120, 512, 512), "new": (240, 400, 400)},
            quick={"old": (30, 128, 128), "new": (60, 100, 100)},
            goals=(Goal("seconds", 0.12),),
        ),
    ),
)
