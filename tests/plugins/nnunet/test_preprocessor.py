"""nnU-Net's preprocessing: nnunetv2's arrays, crop and mask, the way back, and the step to the next stage's grid."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from nnplug import Plugins
from nnplug.arrays import DisposableArray
from nnplug.contracts import Channel, PreprocessingContext
from nnplug.contracts.attributed.preprocessor import AttributedPreprocessing
from nnplug.dataset.dataset import Dataset
from nnplug.dataset.labels import Labels
from nnplug.errors import InvalidFile, NnplugError
from nnplug.io.crop_info import CropInfo
from nnplug.ops.crop import slices
from nnplug.plans.plans import Choice, Resampling, SplineOrders
from nnplug.preparation.preprocess import preprocess_dataset
from nnplug.registry.runtime import Runtime
from nnplug_nnunet.nnunet_models.translation import plans_from_nnunet
from nnplug_nnunet.normalizers import ZScore
from nnplug_nnunet.preprocessor import NnunetPreprocessor
from nnplug_nnunet.training.patch_centres import stored_voxels

DATASETS = ["Dataset300_aniso", "Dataset301_iso", "Dataset302_masked", "Dataset303_permuted", "Dataset304_mixed"]
LABELS = Labels({"background": (0,), "a": (1,), "b": (2,)})
GOLDEN = np.load(Path(__file__).parent / "golden" / "cascade.npz")
CLASSES = {"background": 0, "a": 1, "b": 2, "c": 3}
REGIONS = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "tip": 3}
GRIDS = {  # shape and spacing of the logits, wanted shape, labels: as in bench/oracle/cascade.py
    "alike": ((9, 11, 10), (2.0, 1.5, 1.5), (16, 19, 14), CLASSES),
    "slices": ((5, 12, 11), (5.0, 1.0, 1.1), (9, 20, 19), CLASSES),
    "regions": ((9, 11, 10), (2.0, 1.5, 1.5), (13, 18, 17), REGIONS),
}


def context(**fields):
    channels = (Channel(ZScore(), False, None),)
    usual = PreprocessingContext("nnunet", "3d_fullres", (0, 1, 2), (1.0, 1.0, 1.0), channels, Resampling(), LABELS)
    return replace(usual, **fields)


def preprocessor(**fields):
    return NnunetPreprocessor().bind(context(**fields))


@pytest.fixture(scope="module")
def compare(shared):
    spec = importlib.util.spec_from_file_location("compare", shared / "reference" / "compare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def image():
    image = np.zeros((1, 8, 9, 10), np.float32)
    image[0, 2:7, 1:8, 3:9] = np.random.default_rng(0).normal(50, 9, (5, 7, 6))
    return image


@pytest.mark.parametrize("configuration", ["2d", "3d_fullres"])
@pytest.mark.parametrize("name", DATASETS)
def test_arrays_equal_nnunet(shared, compare, tmp_path, name, configuration):
    folder = shared / "reference" / "preprocess" / name
    raw = json.loads((folder / "expected" / "plans.json").read_text())
    plans, _ = plans_from_nnunet(raw, configuration, name)
    plans = msgspec.structs.replace(plans, choices={**plans.choices, "trainer": Choice(name="nnunet")})
    store = preprocess_dataset(Dataset.open(folder), plans, configuration, tmp_path, Runtime(Plugins()))
    expected = sorted((folder / "expected" / configuration).glob("*.npz"))
    assert expected
    for file in expected:
        case = store[file.stem]
        ours = {"data": np.asarray(case.image), "seg": np.asarray(case.label)}
        assert compare.arrays(ours, np.load(file)) == []
        for key, voxels in stored_voxels(case)[0].items():
            assert {*ours["seg"][tuple(voxels[...].T)].tolist()} <= {int(key)}


def test_the_frame_leads_back(image):
    prepared = preprocessor(transpose_forward=(1, 2, 0), spacing=(2.0, 1.0, 1.0)).prepare(image, (1.0, 2.0, 3.0))
    crop_info = CropInfo.from_data(json.loads(json.dumps(prepared.info)), "info")
    assert crop_info.original_shape == (8, 9, 10)
    assert crop_info.original_spacing == (1.0, 2.0, 3.0)
    assert crop_info.transposed_spacing == (2.0, 3.0, 1.0)
    assert crop_info.bounding_box == ((1, 8), (3, 9), (2, 7))
    assert crop_info.shape == prepared.image.shape[1:] == (7, 18, 5)
    assert crop_info.spacing == (2.0, 1.0, 1.0)
    assert np.all(image[0].transpose(1, 2, 0)[slices(crop_info.bounding_box)] > 0)


def test_a_slice_keeps_its_distance_in_2d(image):
    prepared = preprocessor(spacing=(0.5, 0.5)).prepare(image, (1.0, 1.0, 1.0))
    assert prepared.image.shape == (1, 5, 14, 12)
    assert prepared.info["spacing"] == [1.0, 0.5, 0.5]


def test_arguments_stay_as_they_are(image):
    before, label = image.copy(), (image[0] > 50).astype(np.int16)
    label_before = label.copy()
    prepared = preprocessor().prepare(image, (1.0, 1.0, 1.0), label)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(label, label_before)
    assert (prepared.image.dtype, prepared.label.dtype) == (np.float32, np.int16)
    assert not np.shares_memory(prepared.image, image)


def test_background_outside_the_mask_is_minus_one_and_labels_stay(image):
    image[0, 2, 1, 3] = 0  # a corner of the box: outside
    image[0, 4, 4, 5] = 0  # enclosed: inside
    label = np.zeros(image.shape[1:], np.int16)
    label[2, 1, 4] = 1
    prepared = preprocessor().prepare(image, (1.0, 1.0, 1.0), label)
    assert prepared.label[0, 0, :3].tolist() == [-1, 1, 0]
    assert prepared.label[2, 3, 2] == 0
    assert np.count_nonzero(prepared.label == -1) == 1


def test_masked_normalisation_counts_labelled_voxels_as_inside(image):
    image[0, 2, 1, 3:5] = 0
    label = np.zeros(image.shape[1:], np.int16)
    label[2, 1, 3] = 1
    own = preprocessor()
    masked = replace(own, channels=(replace(own.channels[0], use_mask=True),))
    prepared = masked.prepare(image, (1.0, 1.0, 1.0), label)
    assert prepared.image[0, 0, 0, 0] < -3
    assert prepared.image[0, 0, 0, 1] == 0
    assert masked.prepare(image, (1.0, 1.0, 1.0)).image[0, 0, 0, 0] == 0


@pytest.mark.parametrize("use_mask", [True, False])
def test_an_image_of_zeros_is_kept_whole(use_mask):
    own = preprocessor()
    own = replace(own, channels=(replace(own.channels[0], use_mask=use_mask),))
    prepared = own.prepare(np.zeros((1, 4, 5, 6), np.float32), (1.0, 1.0, 1.0), np.zeros((4, 5, 6), np.int16))
    assert prepared.image.shape == (1, 4, 5, 6)
    assert not prepared.image.any()
    assert np.all(prepared.label == -1)


@pytest.mark.parametrize(
    ("resampling", "message"),
    [
        (Resampling(label=SplineOrders(order=1, order_z=1)), "'order_z' of 3d_fullres is 1; .* Set it to 0"),
        (Resampling(probability=SplineOrders(order=3)), "resample logits with order 3 and, across"),
    ],
)
def test_resampling_that_nnunet_does_not_do_is_refused(resampling, message):
    with pytest.raises(NnplugError, match=message):
        preprocessor(resampling=resampling)


@pytest.mark.parametrize(
    ("image", "label", "message"),
    [
        (
            np.zeros((2, 8, 9, 10), np.float32),
            None,
            "the image has 2 channels, expected 1. Give a file per channel: CASE_0",
        ),
        (
            np.zeros((1, 8, 9, 10), np.float32),
            np.zeros((8, 9, 9), np.int16),
            r"has shape \(8, 9, 10\), its label map \(",
        ),
    ],
)
def test_the_core_refuses_other_channels_and_shapes(image, label, message):
    own = AttributedPreprocessing(NnunetPreprocessor(), preprocessor(), 1, LABELS)
    with pytest.raises(NnplugError, match=message):
        own.prepare(image, (1.0, 1.0, 1.0), label)


@pytest.mark.parametrize("name", GRIDS)
def test_logits_become_labels_of_the_next_grid_as_in_nnunet(name):
    shape, spacing, wanted, raw = GRIDS[name]
    labels = Labels.from_data(raw, [1, 2, 3] if raw is REGIONS else None, "d.json")
    noise = np.random.RandomState(labels.outputs).normal(size=(labels.outputs, *shape))
    logits = np.stack([gaussian_filter(channel, 1.2) for channel in noise]).astype(np.float32)
    info = CropInfo(
        original_shape=shape,
        original_spacing=spacing,
        transpose_forward=(0, 1, 2),
        bounding_box=tuple((0, n) for n in shape),
        shape=shape,
        spacing=spacing,
    ).data()
    result = preprocessor(labels=labels).label_map_on(torch.from_numpy(logits), info, wanted)
    np.testing.assert_array_equal(result, GOLDEN[name])
    assert len(np.unique(result)) == 4


def test_the_shape_on_another_grid_is_that_of_the_case_prepared_there(image):
    coarse, flat = preprocessor(spacing=(2.0, 1.5, 1.5)), preprocessor(spacing=(1.5, 1.5))
    info = coarse.prepare(image, (1.0, 1.0, 1.0)).info
    for other in (preprocessor(), coarse, flat):
        assert other.shape_of(info) == other.prepare(image, (1.0, 1.0, 1.0)).image.shape[1:]


def test_damaged_information_is_named(image):
    with pytest.raises(InvalidFile, match="the crop info of a case: Object missing required field 'original_shape'"):
        preprocessor().inverse({})
    data = preprocessor().inverse(preprocessor().prepare(image, (1.0, 1.0, 1.0)).info).data()
    with pytest.raises(InvalidFile, match="'axis' is 'z'; expected 0, 1, 2 or null"):
        NnunetPreprocessor().read_inverse({**data, "axis": "z"})


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("fields", [{}, {"spacing": (1.0, 0.7, 1.0)}, {"transpose_forward": (1, 0, 2)}])
def test_a_disposable_image_gives_the_same_numbers_in_its_own_memory(channels, masked, fields):
    whole = np.random.default_rng(0).normal(100, 30, (channels, 9, 8, 7)).astype(np.float32)
    for image in (whole, np.pad(whole, ((0, 0), (2, 0), (1, 3), (0, 1)))):
        prepare = preprocessor(channels=(Channel(ZScore(), masked, None),) * channels, **fields).prepare
        expected = prepare(image, (1.0, 1.0, 1.0))
        given = image.copy()
        found = prepare(given.view(DisposableArray), (1.0, 1.0, 1.0))
        assert np.array_equal(found.image, expected.image)
        assert found.info == expected.info
        assert type(found.image) is np.ndarray
        assert np.shares_memory(found.image, given) == (channels == 1 and not fields)
