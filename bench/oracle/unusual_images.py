"""Compare nnU-Net's reading of image files that few programs write with nnplug's, as one table.

Run with a Python that has nnunetv2 2.8.1, giving the Python that has nnplug:

    bench/.venv/bin/python bench/oracle/unusual_images.py .venv/bin/python tests/core/io/golden/unusual_images.json

Files have 1 bit, palettes, transparency, tiles, planes, float16 and float64, shear, other units; and
files whose content is another format than their name says. nnU-Net's reader is that which it chooses by the ending.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import tifffile
from PIL import Image

HERE = Path(__file__).parent


def write_images(folder: Path) -> None:
    """Write all images, from a seed."""
    rng = np.random.default_rng(18)
    _pictures(folder, rng)
    _tiffs(folder, rng)
    _niftis(folder, rng)


def _pictures(folder: Path, rng: np.random.Generator) -> None:
    bits, gray = rng.random((9, 12)) > 0.6, rng.integers(0, 255, (9, 12)).astype(np.uint8)
    colours = rng.integers(0, 255, (9, 12, 3)).astype(np.uint8)
    for ending in ("png", "bmp"):
        Image.fromarray(bits).save(folder / f"bits_0000.{ending}")
        Image.fromarray(colours).save(folder / f"colours_0000.{ending}")
        Image.fromarray(gray).save(folder / f"gray_0000.{ending}")
        palette = Image.fromarray(gray % 4)
        palette.putpalette([0, 0, 0, 250, 10, 20, 5, 200, 40, 60, 60, 90] + [0] * 756)
        palette.save(folder / f"palette_0000.{ending}")
        Image.fromarray(colours).save(folder / f"jpeg_0000.{ending}", format="JPEG")
    Image.fromarray(gray).save(folder / "transparent_0000.png", transparency=3)
    Image.fromarray(colours).save(folder / "keyed_0000.png", transparency=(1, 2, 3))
    Image.fromarray(np.dstack([colours, gray])).save(folder / "alpha_0000.png")
    Image.fromarray(gray.astype(np.uint16) * 250).save(folder / "deep_0000.png")
    Image.fromarray(gray // 64).save(folder / "twobits_0000.png", bits=2)
    Image.fromarray(gray).save(folder / "png_0000.tif", format="PNG")


def _tiffs(folder: Path, rng: np.random.Generator) -> None:
    flat, stack = (
        rng.integers(0, 60000, (32, 48)).astype(np.uint16),
        rng.integers(0, 60000, (6, 32, 48)).astype(np.uint16),
    )
    colours = rng.integers(0, 255, (32, 48, 3)).astype(np.uint8)
    palette = np.zeros((3, 256), np.uint16)
    palette[0, 1] = 65535
    gray = {"photometric": "minisblack"}
    files: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
        "tiled": (flat, {"tile": (16, 16), **gray}),
        "tiled_stack": (stack, {"tile": (16, 16), **gray}),
        "tiled_colours": (colours, {"tile": (16, 16), "photometric": "rgb"}),
        "zlib_tiled": (flat, {"tile": (16, 16), "compression": "zlib", "predictor": True, **gray}),
        "float64": (flat / 7, gray),
        "float64_stack": (stack / 7, gray),
        "float16": ((flat / 7).astype(np.float16), gray),
        "float16_stack": ((stack / 700).astype(np.float16), gray),
        "int32_stack": (stack.astype(np.int32) * -3, gray),
        "uint32": (flat.astype(np.uint32) * 70000, gray),
        "int64": (flat.astype(np.int64) * -3, gray),
        "int16": (flat.astype(np.int16), gray),
        "int8": (flat.astype(np.int8), gray),
        "planes": (np.moveaxis(colours, -1, 0), {"photometric": "rgb", "planarconfig": "separate"}),
        "bits": (flat > 30000, gray),
        "bits_stack": (stack > 30000, gray),
        "white_is_zero": (colours[..., 0], {"photometric": "miniswhite"}),
        "palette": (colours[..., 0] % 2, {"photometric": "palette", "colormap": palette}),
        "big": (stack, {"bigtiff": True, **gray}),
        "swapped": (stack, {"byteorder": ">", **gray}),
        "swapped_float": (stack.astype(np.float32) / 3, {"byteorder": ">", **gray}),
        "plain": (flat, gray),
        "plain_stack": (stack, gray),
        "plain_colours": (colours, {"photometric": "rgb"}),
        "float": (flat.astype(np.float32) / 3, gray),
    }
    for name, (array, options) in files.items():
        tifffile.imwrite(folder / f"{name}_0000.tif", array, **options)


def _niftis(folder: Path, rng: np.random.Generator) -> None:
    voxels = rng.normal(100, 30, (7, 6, 5)).astype(np.float32)
    straight, sheared = np.diag([0.7, 1.5, 3.0, 1.0]), np.diag([0.7, 1.5, 3.0, 1.0])
    sheared[0, 1], straight[:3, 3] = 0.2, (4, -5, 6)
    for name, kind, affine in (("sheared", nibabel.Nifti1Image, sheared), ("second", nibabel.Nifti2Image, straight)):
        image = kind(voxels, affine)
        image.set_sform(affine, 1)
        image.header["qform_code"] = 0
        nibabel.save(image, folder / f"{name}_0000.nii")
    micron = nibabel.Nifti1Image(voxels, straight)
    micron.header.set_xyzt_units("micron")
    nibabel.save(micron, folder / "micron_0000.nii")
    nibabel.save(nibabel.Nifti1Image(voxels, straight), folder / "plain_0000.nii")
    scaled = nibabel.Nifti1Image((voxels * 10).astype(np.int16), straight)
    scaled.header.set_slope_inter(0.1, -7.3)
    nibabel.save(scaled, folder / "scaled_0000.nii")
    without = nibabel.Nifti1Image(voxels, straight)
    header = without.header.copy()
    header["sform_code"], header["qform_code"], header["magic"], header["vox_offset"] = 2, 0, b"n+1", 352
    for row in ("srow_x", "srow_y", "srow_z"):
        header[row] = 0
    content = header.binaryblock + b"\0" * 4 + voxels.tobytes(order="F")
    (folder / "directionless_0000.nii").write_bytes(content)


def _figures(array: np.ndarray, spacing: Any) -> dict:
    content = np.ascontiguousarray(array, np.float32)
    return {
        "shape": list(array.shape),
        "spacing": [round(float(s), 5) for s in spacing],
        "sha256": hashlib.sha256(content.tobytes()).hexdigest()[:16],
    }


def theirs(images: Path) -> dict:
    """Return the figures of nnU-Net's reader for each file, or the name of its error."""
    import contextlib
    import io

    from nnunetv2.imageio.reader_writer_registry import determine_reader_writer_from_file_ending as choose

    found = {}
    for file in sorted(images.iterdir()):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                reader = choose(file.suffix, str(file), verbose=False)()
                array, properties = reader.read_images((str(file),))
                found[file.name] = _figures(array, properties["spacing"])
            except Exception as error:  # noqa: BLE001 - the table shows it
                found[file.name] = {"refused": type(error).__name__}
    return found


def ours(images: Path) -> dict:
    """Return the figures of nnplug's default reader for each file, or its message."""
    from nnplug.errors import InvalidFile
    from nnplug.io.images import read_image

    found = {}
    for file in sorted(images.iterdir()):
        try:
            image = read_image([file])
            found[file.name] = _figures(image.array, image.geometry.spacing)
        except InvalidFile as error:
            found[file.name] = {"refused": str(error).replace(str(images), "")}
    return found


def table(nnunet: dict, nnplug: dict) -> str:
    """Return a row per image, with the word equal or both figures."""
    rows = []
    for file, their in nnunet.items():
        same = "equal" if their == nnplug[file] else f"{their} | {nnplug[file]}"
        rows.append(f"| {file} | {their.get('shape', 'refused')} | {same} |")
    return "\n".join(["| image | shape | read |", "|---|---|---|", *rows])


if __name__ == "__main__":
    if sys.argv[1] == "--ours":
        print(json.dumps(ours(Path(sys.argv[2]))))
    else:
        with tempfile.TemporaryDirectory() as made:
            write_images(Path(made))
            reference = theirs(Path(made))
            words = [sys.argv[1], str(Path(__file__)), "--ours", made]
            done = subprocess.run(words, check=True, capture_output=True, text=True)
        print(table(reference, json.loads(done.stdout.splitlines()[-1])))
        Path(sys.argv[2]).write_text(json.dumps(reference, indent=1) + "\n")
