"""Logits in small files: what they promise about labels, probabilities and damage."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnplug import Plugins
from nnplug.contracts import CropInverse
from nnplug.dataset.labels import Labels
from nnplug.errors import InvalidFile
from nnplug.inference.logits import Logits, background, read_logits, write_logits
from nnplug.io.crop_info import CropInfo
from nnplug.io.images import Geometry
from nnplug.ops import export

TOLERANCE = 1e-3
PLUGINS = Plugins()
FRAME = CropInfo(
    original_shape=(6, 9, 7),
    original_spacing=(3.0, 1.0, 1.0),
    transpose_forward=(1, 2, 0),
    bounding_box=((1, 8), (0, 6), (2, 6)),
    shape=(5, 4, 3),
    spacing=(1.4, 1.5, 4.0),
)


def drawn(k=3, seed=0, *, regions=False, axis=2, spread=8.0):
    values = np.random.default_rng(seed).normal(0, spread, (k, *FRAME.shape)).astype(np.float32)
    return Logits(torch.from_numpy(values), CropInverse(FRAME, axis), regions)


def probabilities(logits):
    return torch.stack([plane.clone() for plane in logits.planes()], dim=1).numpy()


@pytest.mark.parametrize("axis", [None, 0, 1, 2])
@pytest.mark.parametrize("regions", [False, True])
def test_slices_are_the_volumes_that_single_models_are_stored_with(axis, regions):
    logits = drawn(regions=regions, axis=axis)
    volumes = export.probabilities(logits.values, FRAME.cropped_shape, axis=axis, regions=regions)
    restored = [
        export.restore(
            volume,
            FRAME.transposed_shape,
            bounding_box=FRAME.bounding_box,
            transpose=FRAME.transpose_forward,
            fill=float(k == 0 and not regions),
        )
        for k, volume in enumerate(volumes)
    ]
    assert logits.shape == (3, 6, 9, 7)
    np.testing.assert_allclose(probabilities(logits), np.stack(restored), atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), spread=st.sampled_from([0.1, 3.0, 30.0]), k=st.integers(2, 6), regions=st.booleans())
def test_no_probability_moves_by_more_than_the_tolerance(tmp_path_factory, seed, spread, k, regions):
    folder = tmp_path_factory.mktemp("logits")
    logits = drawn(k, seed, regions=regions, spread=spread)
    write_logits(folder / "a.logits.zip", logits)
    stored = read_logits(folder / "a.logits.zip", folder, PLUGINS)
    assert (stored.inverse, stored.regions) == (logits.inverse, logits.regions)
    if spread < 10:  # between neighbours that differ by 100, as noise does, interpolation multiplies the error
        assert np.abs(probabilities(stored) - probabilities(logits)).max() < 4 * TOLERANCE
    shown = [v.values.sigmoid() if regions else v.values.softmax(0) for v in (stored, logits)]
    assert (shown[0] - shown[1]).abs().max() < TOLERANCE
    if not regions:
        assert torch.equal(stored.values.argmax(0), logits.values.argmax(0))


def test_values_beyond_half_precision_stay_finite(tmp_path):
    values = torch.tensor([0.0, 1e9, -1e9]).view(3, 1, 1, 1).expand(3, *FRAME.shape)
    for regions in (False, True):
        write_logits(tmp_path / "a.zip", Logits(values, CropInverse(FRAME, None), regions))
        assert read_logits(tmp_path / "a.zip", tmp_path, PLUGINS).values.isfinite().all()


@pytest.mark.parametrize("regions", [False, True])
def test_an_image_of_zeros_is_background(tmp_path, regions):
    labels = Labels({"background": (0,), "a": (1, 2), "b": (2,)} if regions else {"background": (0,), "a": (1,)})
    geometry = Geometry((3, 4, 5), (1.0, 1.0, 1.0), (1.0,) * 3, (0.0,) * 3, tuple(np.eye(3).ravel()))
    write_logits(tmp_path / "a.zip", background(geometry, labels))
    found = probabilities(read_logits(tmp_path / "a.zip", tmp_path, PLUGINS))
    assert found.shape == (2, 3, 4, 5)
    assert (found[0] == (0 if regions else 1)).all()
    assert not found[1].any()


def test_damage_and_newer_files_are_named(tmp_path):
    path = tmp_path / "a.logits.zip"
    with pytest.raises(InvalidFile, match=r"a.logits.zip: cannot be read as logits \(.*No such file"):
        read_logits(path, tmp_path, PLUGINS)
    write_logits(path, drawn())
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(InvalidFile, match=r"a.logits.zip: cannot be read as logits"):
        read_logits(path, tmp_path, PLUGINS)
    path.write_bytes(whole)
    with zipfile.ZipFile(path) as archive:
        record, values = json.loads(archive.read("logits.json")), archive.read("0")
    for change, message in (
        ({"schema": 3}, "logits file has schema 3, this nnplug reads up to 2"),
        ({"shape": [1, 5, 4, 2]}, "cannot be read as logits .* predict the case again"),
        ({"shape": [2, 5, 4, 3]}, "There is no item named '1'"),
    ):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("logits.json", json.dumps({**record, **change}))
            archive.writestr("0", values)
        with pytest.raises(InvalidFile, match=message):
            read_logits(path, tmp_path, PLUGINS)


def test_logits_of_today_are_written_as_before(tmp_path):
    write_logits(tmp_path / "a.zip", drawn(axis=2))
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        text = archive.read("logits.json").decode()
    assert text == json.dumps({"schema": 1, "shape": [3, 5, 4, 3], "frame": FRAME.data(), "axis": 2, "regions": False})


@pytest.mark.parametrize("shape", [[3, 5, 4, 10**7], [3, 5, 4, 0], [4, 5, 4, 3], [2**40, 5, 4, 3]])
def test_a_shape_that_the_outputs_do_not_have_is_named_before_room_is_made(shape, tmp_path):
    write_logits(tmp_path / "a.logits.zip", drawn())
    with zipfile.ZipFile(tmp_path / "a.logits.zip") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    record = json.loads(members["logits.json"])
    with zipfile.ZipFile(tmp_path / "a.logits.zip", "w") as archive:
        for name, content in {**members, "logits.json": json.dumps({**record, "shape": shape})}.items():
            archive.writestr(name, content)
    with pytest.raises(InvalidFile, match=r"a\.logits\.zip: cannot be read as logits"):
        read_logits(tmp_path / "a.logits.zip", tmp_path, PLUGINS)
