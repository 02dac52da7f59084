"""nnU-Net's resamplers inside its preprocessor, from plans to a prediction."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch.nn import functional

from nnplug.contracts import Regrid
from nnplug.dataset.phantom import write_phantom
from nnplug.io.images import read_geometry
from nnplug.ops.resample import resample_image, resample_label
from nnplug.plans.plans import Resampling, SplineOrders
from nnplug.workspace.case_store import CaseStore
from nnplug_cli.main import main
from nnplug_nnunet.resamplers import NoResampler, SplineResampler, TorchResampler

TINY = (
    *("--set", "planner.base_features=4", "--set", "planner.max_features=8"),
    *("--set", "plan.batch_size=2", "--set", "plan.patch_size=[16,16,16]", "--set", "trainer.epochs=1"),
    *("--set", "trainer.iterations_per_epoch=1", "--set", "trainer.val_iterations_per_epoch=1"),
)
SPACING, NEW, SHAPE = (5.0, 1.0, 1.2), (4.0, 0.8, 0.8), (10, 12, 14)


def nnplug(*words):
    return CliRunner().invoke(main, [*map(str, words)])


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    label = np.zeros(SHAPE, np.int16)
    label[2:6, 3:9, 4:10] = 2
    label[0] = -1
    return rng.normal(size=(2, *SHAPE)).astype(np.float32), label


def grids(made, **splines):
    resampling = Resampling(image=SplineOrders(order=3, **splines), label=SplineOrders(order=1, **splines))
    return Regrid(made.new_shape(SHAPE, SPACING, NEW), SPACING, NEW, resampling)


def test_splines_are_those_of_the_plans(case):
    image, label = case
    made = SplineResampler()
    own = grids(made)
    assert own.shape == (12, 15, 21)
    np.testing.assert_array_equal(made.resample_image(image, own), resample_image(image, own.shape, order=3, axis=0))
    np.testing.assert_array_equal(made.resample_label(label, own), resample_label(label, own.shape, order=1, axis=0))
    whole = grids(made, force_separate_z=False)
    np.testing.assert_array_equal(made.resample_image(image, whole), resample_image(image, own.shape, order=3))


def test_none_keeps_every_voxel(case):
    image, label = case
    made = NoResampler()
    own = grids(made)
    assert own.shape == SHAPE
    np.testing.assert_array_equal(made.resample_image(image, own), image)
    np.testing.assert_array_equal(made.resample_label(label, own), label)
    assert not np.shares_memory(made.resample_label(label, own), label)


def test_torch_is_linear_and_takes_the_nearest_slice_of_distant_ones(case):
    image, label = case
    made = TorchResampler(device="cpu")
    own = grids(made, force_separate_z=False)
    expected = functional.interpolate(torch.from_numpy(image)[None], own.shape, mode="trilinear")[0].numpy()
    np.testing.assert_array_equal(made.resample_image(image, own), expected)
    apart = made.resample_image(image, grids(made))
    plane = functional.interpolate(torch.from_numpy(image)[:, 0][None], own.shape[1:], mode="bilinear")[0].numpy()
    np.testing.assert_allclose(apart[:, 0], plane, atol=1e-6)
    found = made.resample_label(label, grids(made))
    assert set(np.unique(found)) == {-1, 0, 2}
    agreeing = (found == SplineResampler().resample_label(label, grids(made))).mean()
    assert agreeing > 0.99


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw") / "Dataset999_Phantom"
    return write_phantom(folder, cases=3, unseen=1, shape=(20, 24, 22)).folder


@pytest.mark.parametrize("name", ["nnunet-none", "nnunet-torch"])
def test_a_model_is_trained_and_predicts_with_the_resampler_of_its_plans(phantom, tmp_path, name):
    words = ("-w", tmp_path / "w", "-c", "3d_fullres", "-f", "0", "--device", "cpu", "--no-mirroring", *TINY)
    options = ("--set", "resampler.device=cpu") if name == "nnunet-torch" else ()
    result = nnplug("run", phantom, *words, "--set", "plan.spacing=[1.3,1.3,1.3]", "--resampler", name, *options)
    assert result.exit_code == 0, result.output
    folder = tmp_path / "w" / "Dataset999_Phantom"
    plans = json.loads((folder / "plans" / "nnunet.json").read_text())
    assert plans["choices"]["resampler"]["name"] == name
    assert ("resampler", name) in {(one["kind"], one["name"]) for one in plans["providers"]}
    store = CaseStore(folder / "preprocessed" / "nnunet_3d_fullres")
    read = read_geometry(phantom / "labelsTr" / "phantom_000.nii.gz")
    grown = np.array(store["phantom_000"].label.shape) / read.shape
    assert (grown == 1).all() if name == "nnunet-none" else (grown < 1).all()
    model = folder / "model" / "nnunet_3d_fullres"
    where = ("-i", phantom / "imagesTs", "-o", tmp_path / "out", "-m", model)
    result = nnplug("predict", *where, "--device", "cpu", "--no-mirroring")
    assert result.exit_code == 0, result.output
    (label,) = (phantom / "labelsTs").iterdir()
    assert read_geometry(tmp_path / "out" / label.name) == read_geometry(label)
    result = nnplug("model", "export-nnunet", model, "-o", tmp_path / "nnunet")
    assert result.exit_code == 0, result.output
    exported = json.loads((tmp_path / "nnunet" / "plans.json").read_text())["configurations"]["3d_fullres"]
    function = {"nnunet-none": "no_resampling_hack", "nnunet-torch": "resample_torch_fornnunet"}[name]
    assert {exported[f"resampling_fn_{key}"] for key in ("data", "seg", "probabilities")} == {function}


def test_other_resamplers_prepare_cases_again_and_name_what_is_wrong(phantom, tmp_path):
    words = ("run", phantom, "-w", tmp_path, "-c", "3d_fullres", "--until", "preprocess", *TINY)
    image = tmp_path / "Dataset999_Phantom" / "preprocessed" / "nnunet_3d_fullres" / "phantom_000" / "image.npy"
    assert nnplug(*words).exit_code == 0
    first = image.stat().st_mtime_ns
    result = nnplug(*words, "--resampler", "nnunet-none")
    assert result.exit_code == 0, result.output
    assert "choices.resampler" in result.stderr
    assert image.stat().st_mtime_ns != first
    result = nnplug(*words, "--set", "resampler.device=cpu")
    assert "resampler.device: no resampler is named, so that the preprocessor uses its own" in result.stderr
    result = nnplug(*words, "--resampler", "nnunet-torch", "--set", "resampler.device=gpu")
    assert "resampler 'nnunet-torch'" in result.stderr
    assert result.exit_code == 1


def test_a_preprocessor_that_takes_none_is_refused_with_both_names(phantom, tmp_path, install):
    body = '@hookimpl\ndef nnplug_preprocessors(): yield PreprocessorComponent("flat", "json:JSONDecoder", "")'
    install("nnplug-flat", "flat", body)
    words = ("--resampler", "nnunet-none", "--preprocessor", "flat", "--until", "plan")
    result = nnplug("run", phantom, "-w", tmp_path, *words)
    assert result.exit_code == 1
    assert (
        "preprocessor 'flat' from nnplug-flat 1.0 uses its own resampling, not 'nnunet-none': its entry has "
        "takes_resampler=False. Leave out --resampler, or give --preprocessor NAME of one that takes it."
        in result.stderr
    )


GOLDEN = np.load(Path(__file__).parent / "golden" / "resamplers.npz")
"""Results of nnunetv2's functions, made by bench/oracle/resamplers.py."""
CASES = sorted(key.removesuffix("-shape") for key in GOLDEN if key.endswith("-shape"))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("name", "made", "force"),
    [
        ("torch", TorchResampler(device="cpu"), False),
        ("torch-sepz", TorchResampler(device="cpu"), None),
        ("none", NoResampler(), None),
    ],
)
def test_results_are_those_of_nnunetv2(case, name, made, force):
    """Images to rounding. nnunetv2 compares indicators of labels in half precision: 1 % of the voxels may be ties."""
    image, label = GOLDEN[f"{case}-image"], GOLDEN[f"{case}-label"].astype(np.int16)
    old, new = (tuple(row) for row in GOLDEN[f"{case}-spacing"])
    shape = image.shape[1:] if name == "none" else tuple(GOLDEN[f"{case}-shape"].tolist())
    splines = (SplineOrders(order=order, force_separate_z=force) for order in (3, 1))
    grid = Regrid(shape, old, new, Resampling(**dict(zip(("image", "label"), splines, strict=True))))
    np.testing.assert_allclose(made.resample_image(image, grid)[0], GOLDEN[f"{case}-{name}-image"], atol=2e-6)
    assert np.mean(made.resample_label(label, grid) != GOLDEN[f"{case}-{name}-label"]) <= 0.01
