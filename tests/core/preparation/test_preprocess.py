"""Preprocessing: nnunetv2's arrays, the way back, and stores that survive anything."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import textwrap
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from nnplug.dataset.dataset import Dataset
from nnplug.dataset.labels import Labels
from nnplug.errors import NnplugError, Problems
from nnplug.ops.crop import slices
from nnplug.plans.plans import Choice, Normalization, Resampler, Resampling
from nnplug.preparation.preprocess import Preprocessor, preprocess_dataset
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor
from nnplug.workspace.case_store import CaseStore
from nnplug_nnunet.nnunet_models.translation import plans_from_nnunet
from nnplug_nnunet.training.patch_centres import draw_voxels, stored_voxels

DATASETS = ["Dataset300_aniso", "Dataset301_iso", "Dataset302_masked", "Dataset303_permuted", "Dataset304_mixed"]
TRAINER = {"trainer": Choice(name="nnunet")}
LABELS = Labels({"background": (0,), "a": (1,), "b": (2,)})


@pytest.fixture(scope="module")
def registry(plugins):
    return plugins.registry


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


@pytest.fixture
def preprocess(plans, plugins, tmp_path):
    """Preprocess a dataset's folder into one store, with fields of the configuration replaced."""

    def run(folder, workers=2, choices=TRAINER, **fields):
        changed = msgspec.structs.replace(plans.configuration("3d_fullres"), **fields)
        return preprocess_dataset(
            Dataset.open(folder),
            msgspec.structs.replace(plans, configurations={"3d_fullres": changed}, choices=choices),
            "3d_fullres",
            tmp_path / "store",
            Runtime(plugins, LocalExecutor(workers)),
        )

    return run


def preprocessor(plans, registry, **fields):
    return replace(Preprocessor.of(plans, "3d_fullres", LABELS, registry), **fields)


def times(store):
    return {name: (store.folder / name / "image.npy").stat().st_mtime_ns for name in store}


@pytest.mark.parametrize("configuration", ["2d", "3d_fullres"])
@pytest.mark.parametrize("name", DATASETS)
def test_arrays_equal_nnunet(shared, compare, plugins, tmp_path, name, configuration):
    folder = shared / "reference" / "preprocess" / name
    raw = json.loads((folder / "expected" / "plans.json").read_text())
    plans, _ = plans_from_nnunet(raw, configuration, name)
    plans = msgspec.structs.replace(plans, choices=TRAINER)
    store = preprocess_dataset(Dataset.open(folder), plans, configuration, tmp_path, Runtime(plugins))
    expected = sorted((folder / "expected" / configuration).glob("*.npz"))
    assert expected
    for file in expected:
        case = store[file.stem]
        ours = {"data": np.asarray(case.image), "seg": np.asarray(case.label)}
        assert compare.arrays(ours, np.load(file)) == []
        for key, voxels in stored_voxels(case)[0].items():
            assert {*ours["seg"][tuple(voxels[...].T)].tolist()} <= {int(key)}


def test_the_frame_leads_back(plans, registry, image):
    prepared = preprocessor(plans, registry, transpose_forward=(1, 2, 0), spacing=(2.0, 1.0, 1.0)).prepare(
        image, (1.0, 2.0, 3.0)
    )
    crop_info = prepared.crop_info
    assert crop_info.original_shape == (8, 9, 10)
    assert crop_info.original_spacing == (1.0, 2.0, 3.0)
    assert crop_info.transposed_spacing == (2.0, 3.0, 1.0)
    assert crop_info.bounding_box == ((1, 8), (3, 9), (2, 7))
    assert crop_info.shape == prepared.image.shape[1:] == (7, 18, 5)
    assert crop_info.spacing == (2.0, 1.0, 1.0)
    assert np.all(image[0].transpose(1, 2, 0)[slices(crop_info.bounding_box)] > 0)


def test_a_slice_keeps_its_distance_in_2d(plans, registry, image):
    prepared = preprocessor(plans, registry, spacing=(0.5, 0.5)).prepare(image, (1.0, 1.0, 1.0))
    assert prepared.image.shape == (1, 5, 14, 12)
    assert prepared.crop_info.spacing == (1.0, 0.5, 0.5)


def test_arguments_stay_as_they_are(plans, registry, image):
    before, label = image.copy(), (image[0] > 50).astype(np.int16)
    label_before = label.copy()
    prepared = preprocessor(plans, registry).prepare(image, (1.0, 1.0, 1.0), label)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(label, label_before)
    assert (prepared.image.dtype, prepared.label.dtype) == (np.float32, np.int16)
    assert not np.shares_memory(prepared.image, image)


def test_background_outside_the_mask_is_minus_one_and_labels_stay(plans, registry, image):
    image[0, 2, 1, 3] = 0  # a corner of the box: outside
    image[0, 4, 4, 5] = 0  # enclosed: inside
    label = np.zeros(image.shape[1:], np.int16)
    label[2, 1, 4] = 1
    prepared = preprocessor(plans, registry).prepare(image, (1.0, 1.0, 1.0), label)
    assert prepared.label[0, 0, :3].tolist() == [-1, 1, 0]
    assert prepared.label[2, 3, 2] == 0
    assert np.count_nonzero(prepared.label == -1) == 1


def test_masked_normalisation_counts_labelled_voxels_as_inside(plans, registry, image):
    image[0, 2, 1, 3:5] = 0
    label = np.zeros(image.shape[1:], np.int16)
    label[2, 1, 3] = 1
    own = preprocessor(plans, registry)
    masked = replace(own, channels=(replace(own.channels[0], use_mask=True),))
    prepared = masked.prepare(image, (1.0, 1.0, 1.0), label)
    assert prepared.image[0, 0, 0, 0] < -3
    assert prepared.image[0, 0, 0, 1] == 0
    assert masked.prepare(image, (1.0, 1.0, 1.0)).image[0, 0, 0, 0] == 0


@pytest.mark.parametrize("use_mask", [True, False])
def test_an_image_of_zeros_is_kept_whole(plans, registry, use_mask):
    own = preprocessor(plans, registry)
    own = replace(own, channels=(replace(own.channels[0], use_mask=use_mask),))
    prepared = own.prepare(np.zeros((1, 4, 5, 6), np.float32), (1.0, 1.0, 1.0), np.zeros((4, 5, 6), np.int16))
    assert prepared.image.shape == (1, 4, 5, 6)
    assert not prepared.image.any()
    assert np.all(prepared.label == -1)


def test_another_number_of_channels_is_refused(plans, registry, image):
    with pytest.raises(NnplugError, match=r"the image has 2 channels, the model expects 1. Give a file CASE_0000"):
        preprocessor(plans, registry).prepare(np.concatenate([image, image]), (1.0, 1.0, 1.0))


def test_a_label_of_another_shape_is_refused(plans, registry, image):
    with pytest.raises(NnplugError, match=r"has shape \(8, 9, 10\), its label map \(8, 9, 9\)"):
        preprocessor(plans, registry).prepare(image, (1.0, 1.0, 1.0), np.zeros((8, 9, 9), np.int16))


def test_splines_across_slices_are_refused(plans, registry):
    changed = msgspec.structs.replace(
        plans.configuration("3d_fullres"), resampling=Resampling(label=Resampler(order=1, order_z=1))
    )
    plans = msgspec.structs.replace(plans, configurations={"3d_fullres": changed})
    with pytest.raises(NnplugError, match=r"'order_z' of 3d_fullres is 1; .* Set it to 0"):
        Preprocessor.of(plans, "3d_fullres", LABELS, registry)


def test_voxels_are_ten_thousand_or_one_percent_of_each_class():
    label = np.zeros((3, 700, 1000), np.int16)
    label[0] = 1
    label[1, 0, :50] = 2
    label[2, :, :4] = -1
    foreground, annotated = draw_voxels(label, LABELS)
    assert annotated is None
    assert {key: len(voxels) for key, voxels in foreground.items()} == {"1": 10_000, "2": 50}
    for key, voxels in foreground.items():
        assert np.all(label[tuple(voxels.T)] == int(key))
        assert len(np.unique(voxels, axis=0)) == len(voxels)
    label[1:] = 1
    assert len(draw_voxels(label, LABELS)[0]["1"]) == 21_000
    assert draw_voxels(label, LABELS)[0]["2"].shape == (0, 3)


def test_voxels_of_regions_and_of_everything_annotated():
    label = np.array([-1, 0, 1, 2, 3, 3], np.int16).reshape(1, 2, 3)
    labels = Labels({"background": (0,), "whole": (1, 2), "core": (2,)}, regions_class_order=(1, 2), ignore=3)
    foreground, annotated = draw_voxels(label, labels)
    assert {key: len(voxels) for key, voxels in foreground.items()} == {"(1, 2)": 2, "(2,)": 1}
    assert sorted(label[tuple(annotated.T)].tolist()) == [-1, 0, 1, 2]


@pytest.fixture
def dataset(write_dataset, image):
    label = (image[0] > 50).astype(np.uint8)
    return write_dataset({name: (image + index, label) for index, name in enumerate("abc")})


def test_a_second_call_does_nothing(preprocess, dataset):
    before = times(preprocess(dataset))
    assert list(before) == ["a", "b", "c"]
    assert times(preprocess(dataset)) == before
    assert times(preprocess(dataset, batch_size=7)) == before


def test_another_process_finds_the_same_cases_done(preprocess, dataset, plans):
    """Python's hashes differ between processes: nothing recorded may depend on them."""
    plans.write(dataset / "plans.json")
    code = """
        import sys
        from pathlib import Path
        from nnplug.dataset.dataset import Dataset
        from nnplug.plans.plans import read_plans
        from nnplug.preparation.preprocess import _decisions
        folder = Path(sys.argv[1])
        print(_decisions(read_plans(folder / "plans.json"), "3d_fullres", Dataset.open(folder)))
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(dataset)]
    runs = [subprocess.run(command, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True) for seed in "12"]
    assert runs[0].stdout == runs[1].stdout != ""


def test_changed_files_and_leftovers_are_done_again(preprocess, dataset):
    store = preprocess(dataset)
    before = times(store)
    os.utime(dataset / "labelsTr" / "b.nii.gz", ns=(1, 1))
    (store.folder / "c" / "voxels.npy").write_bytes(b"")
    (store.folder / ".1-killed").mkdir()
    after = times(preprocess(dataset))
    assert [name for name in "abc" if after[name] != before[name]] == ["b", "c"]
    assert not (store.folder / ".1-killed").exists()
    assert len(stored_voxels(CaseStore(store.folder)["c"])[0]["1"]) > 0


def test_a_store_without_an_index_gets_it_and_keeps_its_images(preprocess, dataset):
    """As after a change of the trainer, or with cases that nnplug stored before it recorded which rule made it."""
    before = times(preprocess(dataset, choices={}))
    assert [case.index.key for case in CaseStore(dataset.parent / "store").values()] == [None] * 3
    store = preprocess(dataset)
    assert times(store) == before
    for case in store.values():
        drawn = draw_voxels(case.label[...], LABELS)[0]
        for key, voxels in stored_voxels(case)[0].items():
            np.testing.assert_array_equal(np.asarray(voxels), drawn[key])
    (digest,) = {case.index.key for case in store.values()}
    assert digest is not None


def test_a_trainer_that_is_not_installed_is_waited_for(preprocess, dataset):
    store = preprocess(dataset, choices={"trainer": Choice(name="not-here")})
    assert {case.index.key for case in store.values()} == {None}


def test_changed_plans_change_every_case(preprocess, dataset):
    before = times(preprocess(dataset))
    after = times(preprocess(dataset, normalization=(Normalization(name="none", use_mask=False),)))
    assert all(after[name] != before[name] for name in "abc")


def test_cases_that_are_gone_are_removed(preprocess, dataset):
    preprocess(dataset)
    (dataset / "imagesTr" / "b_0000.nii.gz").unlink()
    assert list(preprocess(dataset)) == ["a", "c"]


def test_the_number_of_workers_changes_nothing(preprocess, dataset):
    one = {name: np.asarray(case.image) for name, case in preprocess(dataset, workers=1).items()}
    os.utime(dataset / "imagesTr" / "a_0000.nii.gz", ns=(1, 1))
    for name, case in preprocess(dataset, workers=3).items():
        np.testing.assert_array_equal(case.image, one[name])


def test_a_bad_case_is_named_and_the_others_are_stored(preprocess, dataset):
    (dataset / "labelsTr" / "b.nii.gz").unlink()
    with pytest.raises(Problems, match=r"^preprocess of b: .*labelsTr/b\.nii\.gz: cannot be read"):
        preprocess(dataset)
    assert list(CaseStore(dataset.parent / "store")) == ["a", "c"]


def test_a_refused_value_names_the_case(preprocess, write_dataset, image):
    folder = write_dataset({"a": (image + 300, (image[0] > 0).astype(np.uint8))})
    with pytest.raises(Problems, match="preprocess of a: normalizer 'rgb-0-1' takes values from 0 to 255"):
        preprocess(folder, normalization=(Normalization(name="rgb-0-1", use_mask=False),))
