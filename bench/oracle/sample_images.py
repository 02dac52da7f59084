"""Small files of every kind that nnplug reads: ramps, so that axes cannot be mistaken. The tests write them too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813


def write_images(folder: Path) -> None:
    """Write one file per kind."""
    ramp = np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5)
    for name in ("a.nii.gz", "a.nrrd", "a.mha"):
        _save(folder / name, sitk.GetImageFromArray(ramp), (0.5, 2.0, 3.0))
    _save(folder / "flat.nii.gz", sitk.GetImageFromArray(ramp[0]), (0.5, 2.0))
    channels = [sitk.GetImageFromArray(ramp + i) for i in (0, 100)]
    _save(folder / "several.nii.gz", sitk.JoinSeries(channels), (0.5, 2.0, 3.0, 1.0))
    gray = ramp[0].astype(np.uint8)
    for name in ("gray.png", "gray.bmp", "gray.tif"):
        _save(folder / name, sitk.GetImageFromArray(gray), (1.0, 1.0))
    _save(folder / "deep.png", sitk.GetImageFromArray((ramp[0] * 1000).astype(np.uint16)), (1.0, 1.0))
    colours = np.stack([gray, gray + 50, gray + 100, gray + 150], axis=-1)
    for name in ("rgb.png", "rgb.bmp", "rgb.tif"):
        _save(folder / name, sitk.GetImageFromArray(colours[..., :3], isVector=True), (1.0, 1.0))
    _save(folder / "rgba.png", sitk.GetImageFromArray(colours, isVector=True), (1.0, 1.0))
    _save(folder / "volume.tif", sitk.GetImageFromArray(np.repeat(ramp, 2, axis=0).astype(np.uint16)), (1.0, 1.0, 1.0))


def _save(path: Path, image: sitk.Image, spacing: tuple[float, ...]) -> None:
    image.SetSpacing(spacing)
    sitk.WriteImage(image, str(path))
