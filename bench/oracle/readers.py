"""Compare nnU-Net's six readers with nnplug's on the same images, as one table.

Run with a Python that has nnunetv2 2.8.1, giving the Python that has nnplug with nnplug-readers:

    bench/.venv/bin/python bench/oracle/readers.py .venv/bin/python tests/plugins/readers/golden/readers.json

Both sides read each image, and write a label map in its place. The written files are read again by SimpleITK or
tifffile, so that the table shows where they lie. The golden file has nnU-Net's figures.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813
import tifffile

HERE = Path(__file__).parent
ROTATED = (0.0, 0.0, 1.0, -0.8, 0.6, 0.0, -0.6, -0.8, 0.0)
"""Direction cosines of a sagittal image that is rotated about an axis."""

FILES = {
    "SimpleITKIO": ("lps.nii.gz", "ras.nii.gz", "sagittal.nii.gz", "oblique.nrrd", "flat.nii.gz", "scaled.nii.gz"),
    "SimpleITKIOWithReorient": ("lps.nii.gz", "ras.nii.gz", "sagittal.nii.gz", "oblique.nrrd", "scaled.nii.gz"),
    "NibabelIO": ("lps.nii.gz", "ras.nii.gz", "sagittal.nii.gz", "oblique.nii.gz", "scaled.nii.gz"),
    "NibabelIOWithReorient": ("lps.nii.gz", "ras.nii.gz", "sagittal.nii.gz", "oblique.nii.gz", "scaled.nii.gz"),
    "NaturalImage2DIO": (
        *("gray.png", "rgb.png", "rgba.png", "deep.png", "gray.bmp", "rgb.bmp", "gray.tif", "rgb.tif"),
    ),
    "Tiff3DIO": ("volume_0000.tif", "alone_0000.tif", "imagej_0000.tif"),
}
"""nnU-Net's readers and the images that they read."""


def write_images(folder: Path) -> None:
    """Write all images of `FILES`: ramps and noise from a seed, so that no exchange of axes goes unnoticed."""
    rng = np.random.default_rng(0)
    voxels = rng.integers(-1000, 1000, (4, 5, 6)).astype(np.int16)
    identity = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    flipped = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
    sagittal = (0.0, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    for name, direction in (("lps", identity), ("ras", flipped), ("sagittal", sagittal), ("oblique", ROTATED)):
        for ending in (".nii.gz", ".nrrd"):
            _save(folder / f"{name}{ending}", voxels, (0.7, 1.5, 3.0), direction)
    _save(folder / "scaled.nii.gz", voxels.astype(np.float32) / 7, (0.7, 1.5, 3.0), sagittal)
    _save(folder / "flat.nii.gz", voxels[0], (0.7, 1.5), (1.0, 0.0, 0.0, 1.0))
    gray = rng.integers(0, 255, (5, 6)).astype(np.uint8)
    colours = rng.integers(0, 255, (5, 6, 4)).astype(np.uint8)
    for ending in (".png", ".bmp", ".tif"):
        sitk.WriteImage(sitk.GetImageFromArray(gray), str(folder / f"gray{ending}"))
        sitk.WriteImage(sitk.GetImageFromArray(colours[..., :3], isVector=True), str(folder / f"rgb{ending}"))
    sitk.WriteImage(sitk.GetImageFromArray(colours, isVector=True), str(folder / "rgba.png"))
    sitk.WriteImage(sitk.GetImageFromArray(gray.astype(np.uint16) * 200), str(folder / "deep.png"))
    stack = rng.integers(0, 60000, (4, 5, 6)).astype(np.uint16)
    for name in ("volume", "alone"):
        tifffile.imwrite(folder / f"{name}_0000.tif", stack, photometric="minisblack")
    (folder / "volume.json").write_text(json.dumps({"spacing": [3.0, 1.5, 0.7]}))
    resolution = {"resolution": (1 / 700, 1 / 1500), "metadata": {"spacing": 3000.0, "unit": "um", "axes": "ZYX"}}
    tifffile.imwrite(folder / "imagej_0000.tif", stack, imagej=True, **resolution)


def label_of(shape: tuple[int, ...]) -> np.ndarray:
    """Return a label map (z, y, x) without symmetry."""
    return (np.arange(np.prod(shape)) % 11 % 4).astype(np.uint8).reshape(shape)


def _read(array: np.ndarray, spacing: Any) -> dict:
    content = np.ascontiguousarray(array, np.float32)
    return {
        "shape": list(array.shape),
        "spacing": [round(float(s), 5) for s in spacing],
        "sha256": hashlib.sha256(content.tobytes()).hexdigest()[:16],
    }


def _lies(path: Path) -> dict:
    """Return where a written label map lies, and its voxels."""
    if path.suffix == ".tif":
        voxels = tifffile.imread(path)
        sidecar = path.with_suffix(".json")
        spacing = json.loads(sidecar.read_text())["spacing"] if sidecar.is_file() else []
        return {**_read(voxels[None], spacing), "dtype": str(voxels.dtype)}
    image = sitk.ReadImage(str(path))
    voxels = sitk.GetArrayFromImage(image)
    place = {key: [round(v, 4) + 0.0 for v in getattr(image, f"Get{key}")()] for key in ("Origin", "Direction")}
    return {**_read(voxels, image.GetSpacing()), **place, "dtype": str(voxels.dtype)}


def _save(path: Path, voxels: np.ndarray, spacing: tuple[float, ...], direction: tuple[float, ...]) -> None:
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(spacing)
    image.SetOrigin((10.0, -20.0, 30.0)[: len(spacing)])
    image.SetDirection(direction)
    sitk.WriteImage(image, str(path))


def theirs(images: Path) -> dict:
    """Return the figures of nnU-Net's readers."""
    from nnunetv2.imageio import natural_image_reader_writer, nibabel_reader_writer, tif_reader_writer
    from nnunetv2.imageio import simpleitk_reader_writer as itk

    modules = (itk, nibabel_reader_writer, natural_image_reader_writer, tif_reader_writer)
    found = {}
    for name, files in FILES.items():
        reader = next(getattr(module, name) for module in modules if hasattr(module, name))()
        found[name] = {}
        for file in files:
            array, properties = reader.read_images((str(images / file),))
            with tempfile.TemporaryDirectory() as folder:
                target = Path(folder) / file.replace("_0000", "")
                reader.write_seg(label_of(array.shape[1:]), str(target), properties)
                found[name][file] = {"read": _read(array, properties["spacing"]), "written": _lies(target)}
    return found


def ours(images: Path) -> dict:
    """Return the figures of nnplug's readers, as `dataset.json` chooses them by nnU-Net's names."""
    from nnplug import Plugins
    from nnplug.io.images import read_image, write_label
    from nnplug.io.readers import Readers

    installed = Readers.of(Plugins().registry)
    found = {}
    for name, files in FILES.items():
        found[name] = {}
        for file in files:
            ending = installed.ending(Path(file)) or ""
            readers = installed.for_dataset(name, ending, "the table")
            image = read_image([images / file], readers)
            with tempfile.TemporaryDirectory() as folder:
                target = Path(folder) / file.replace("_0000", "")
                write_label(target, label_of(image.geometry.shape), image.geometry, readers)
                found[name][file] = {"read": _read(image.array, image.geometry.spacing), "written": _lies(target)}
    return found


def table(nnunet: dict, nnplug: dict) -> str:
    """Return a row per reader and image, with the word equal or both figures."""
    rows = []
    for name, files in nnunet.items():
        for file, their in files.items():
            our = nnplug[name][file]
            same = {part: "equal" if their[part] == our[part] else f"{their[part]} | {our[part]}" for part in their}
            read = their["read"]
            cells = (name, file, str(read["shape"]), str(read["spacing"]), same["read"], same["written"])
            rows.append("| " + " | ".join(cells) + " |")
    head = "| reader | image | shape | spacing (z, y, x) | read | written |\n|---|---|---|---|---|---|"
    return "\n".join([head, *rows])


if __name__ == "__main__":
    if sys.argv[1] == "--ours":
        print(json.dumps(ours(Path(sys.argv[2]))))
    else:
        with tempfile.TemporaryDirectory() as made:
            write_images(Path(made))
            reference = theirs(Path(made))
            words = [sys.argv[1], str(HERE / "readers.py"), "--ours", made]
            done = subprocess.run(words, check=True, capture_output=True, text=True)
        print(table(reference, json.loads(done.stdout.splitlines()[-1])))
        Path(sys.argv[2]).write_text(json.dumps(reference) + "\n")
