"""Images of ome-zarr and ngff-zarr are read, and label maps are read by them: in a process that has these libraries."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest

from nnplug.contracts import PredictedCase
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.io.geometry import Geometry, LabelMap
from nnplug.io.images import read_voxels, write_image
from nnplug_zarr.writer import OmeZarrWriter

LIBRARIES = (
    "ome-zarr==0.18.0",
    "ngff-zarr==0.50.0",
    *("ome-zarr-models==1.7", "pydantic-zarr==0.9.2", "Deprecated==1.3.1", "wrapt==2.5.2", "zarrista==0.1.0"),
    *("itkwasm==1.0b201", "itkwasm-downsample==2.0.2", "itkwasm-downsample-wasi==2.0.2", "wasmtime==50.0.1"),
    *("importlib-resources==7.1.0", "rich-argparse==1.8.0", "rangehttpserver==1.4.0"),
)
"""The two and what they import; s3fs, which ome-zarr also names, is left out."""

SHAPE = (20, 48, 40)
PLACE = Geometry(SHAPE, (2.0, 0.5, 0.25), (0.25, 0.5, 2.0), (9.0, 8.0, 7.0), tuple(np.eye(3).ravel().tolist()))
RAW = {
    "channel_names": {"0": "CT"},
    "labels": {"background": 0, "organ": 1},
    "numTraining": 1,
    "file_ending": ".nii.gz",
}

WRITE = """
    import ngff_zarr, numpy, zarr
    from ome_zarr.format import FormatV04, FormatV05
    from ome_zarr.writer import write_image

    voxels = numpy.load("voxels.npy")
    for version, fmt in (("0.4", FormatV04()), ("0.5", FormatV05())):
        group = zarr.open_group(f"ome{version}.ome.zarr", mode="w", zarr_format=fmt.zarr_format)
        scale, units = {"c": 1, "z": 2000, "y": 500, "x": 250}, {axis: "micrometer" for axis in "zyx"}
        write_image(voxels, group, axes="czyx", fmt=fmt, scale=scale, axes_units=units)
        image = ngff_zarr.to_ngff_image(
            voxels[0],
            dims=["z", "y", "x"],
            scale={"z": 2.0, "y": 0.5, "x": 0.25},
            translation={"z": 7.0, "y": 8.0, "x": 9.0},
            axes_units={axis: "millimeter" for axis in "zyx"},
        )
        pyramid = ngff_zarr.to_multiscales(image, scale_factors=[2])
        ngff_zarr.to_ngff_zarr(f"ngff{version}.ome.zarr", pyramid, version=version)
"""
READ = """
    import ngff_zarr, numpy
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    for version in ("0.4", "0.5"):
        wanted = numpy.load("labels.npy")
        (pyramid,) = [ngff_zarr.from_ngff_zarr(f"out{version}/a.ome.zarr/labels/nnplug")]
        image = pyramid.images[0]
        assert numpy.array_equal(numpy.asarray(image.data), wanted)
        assert image.scale == {"z": 2.0, "y": 0.5, "x": 0.25}, image.scale
        assert image.translation == {"z": 7.0, "y": 8.0, "x": 9.0}, image.translation
        nodes = list(Reader(parse_url(f"with{version}.ome.zarr"))())
        (labels,) = [node for node in nodes if node.zarr.path.rstrip("/").endswith("labels/nnplug")]
        assert numpy.array_equal(numpy.asarray(labels.data[0]).squeeze(), wanted)
        assert any(properties.get("name") == "organ" for properties in labels.metadata["properties"].values())
"""


@pytest.fixture(scope="session")
def independent(request):
    """`independent(CODE, FOLDER)` runs code in a process that has both libraries."""
    place = request.config.cache.mkdir("ome-zarr-0.18.0-ngff-zarr-0.50.0")
    if not (place / "complete").is_file():
        words = ("-m", "pip", "install", "--quiet", "--no-deps", "--target", place, *LIBRARIES)
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"needs ome-zarr and ngff-zarr, which pip does not get: {done.stderr.splitlines()[-1:]}")
        (place / "complete").touch()

    def run(code, folder):
        words = [sys.executable, "-c", f"import sys; sys.path.append({str(place)!r})\n{textwrap.dedent(code)}"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder)
        assert done.returncode == 0, done.stderr

    return run


@pytest.mark.slow
def test_their_images_are_read(independent, readers, tmp_path):
    voxels = np.random.default_rng(0).integers(0, 1000, (2, *SHAPE)).astype(np.uint16)
    np.save(tmp_path / "voxels.npy", voxels)
    independent(WRITE, tmp_path)
    for version in ("0.4", "0.5"):
        found, geometry = read_voxels(tmp_path / f"ome{version}.ome.zarr", readers)
        assert np.array_equal(found, voxels)
        assert geometry.spacing == pytest.approx((2.0, 0.5, 0.25))
        found, geometry = read_voxels(tmp_path / f"ngff{version}.ome.zarr", readers)
        assert np.array_equal(found[0], voxels[0])
        assert geometry == PLACE
        (tmp_path / f"level{version}.zarr").symlink_to(_coarse(tmp_path / f"ngff{version}.ome.zarr"))
        found, geometry = read_voxels(tmp_path / f"level{version}.zarr", readers)
        assert found.shape[1:] == geometry.shape == (10, 24, 20)
        assert geometry.spacing == (4.0, 1.0, 0.5)


def _coarse(image):
    """Return the folder of the second level of an image of ngff-zarr."""
    return next(path for path in (image / "scale1" / "image", image / "scale1" / "scale1") if path.is_dir())


@pytest.mark.slow
def test_they_read_label_maps(independent, readers, tmp_path):
    labels = (np.arange(np.prod(SHAPE)) % 5 % 2).reshape(SHAPE).astype(np.int16)
    np.save(tmp_path / "labels.npy", labels)
    write_image(tmp_path / "a.zarr", labels, PLACE, readers)
    case = CaseFiles("a", (tmp_path / "a.zarr",), readers=readers)
    for version in (0.4, 0.5):
        writer = OmeZarrWriter(version=version)
        predicted = PredictedCase(case, LabelMap(labels, PLACE), DatasetDescription.from_data(RAW, "t"), "m", "0" * 12)
        writer.write(tmp_path / f"out{version}", predicted)
        image = tmp_path / f"with{version}.ome.zarr"
        write_image(image, labels, replace(PLACE, extra={"ngff_version": f"{version}"}), readers)
        shutil.copytree(tmp_path / f"out{version}" / "a.ome.zarr" / "labels", image / "labels")  # as the page says
    independent(READ, tmp_path)
