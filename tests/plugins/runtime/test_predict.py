"""Label maps of the runtime are those of `nnplug predict`, for every kind of model that can be exported."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from nnplug.io.images import read_label
from nnplug.plans.plans import Choice, Resampling, SplineOrders
from nnplug_cli.main import main as nnplug
from nnplug_runtime.command import main as runtime

EQUAL = 0.9999
"""The share of voxels with the same label that is asked for."""


def predict(bundle, exported, images, tmp_path, *, common=(), varied=True):
    """Predict by both programs, compare, and give the label maps of the runtime by the name of their file."""
    theirs, ours = tmp_path / "by-nnplug", tmp_path / "by-runtime"
    arguments = ["predict", "-i", str(images), "-o", str(theirs), "-m", str(bundle), "--device", "cpu", *common]
    result = CliRunner().invoke(nnplug, arguments)
    assert result.exit_code == 0, result.output
    step = [{"--step-size": "--step"}.get(word, word) for word in common]
    runtime(["predict", "-i", str(images), "-o", str(ours), "-m", str(exported), "--threads", "1", *step])
    files = [file.name for file in theirs.iterdir() if file.suffix != ".json" and not file.name.startswith(".")]
    files = [name for name in files if not name.endswith((".json", ".jsonl"))]
    assert files
    found = {}
    for name in files:
        one, other = read_label(theirs / name), read_label(ours / name)
        assert one.geometry == other.geometry
        equal = float(np.mean(one.array == other.array))
        assert equal >= EQUAL, f"{name}: {equal:.6f} of the voxels are equal"
        shares = np.bincount(one.array.ravel()) / one.array.size
        assert varied == (np.count_nonzero(shares > 0.02) > 1), "the comparison would tell nothing"
        found[name] = other.array
    return found


def test_a_3d_model_of_two_folds_with_a_rule_and_another_grid(models, exported, write_images, blobs, tmp_path):
    bundle = models.bundle(tmp_path, folds=2, rule=models.largest((1, 2)))
    write_images("a", blobs((9, 13, 11)), spacing=(1.0, 0.8, 1.3))
    # smaller than the patch, and so anisotropic that slices are resampled one by one
    images = write_images("b", blobs((6, 14, 12), seed=1), spacing=(4.0, 0.9, 1.0))
    assert len(predict(bundle, exported(bundle), images, tmp_path)) == 2


def test_steps_and_mirroring_are_those_of_the_user(models, exported, write_images, blobs, tmp_path):
    bundle = models.bundle(tmp_path)
    images = write_images("a", blobs((11, 11, 11)))
    own, target = exported(bundle), tmp_path / "plain"
    plain = predict(bundle, own, images, tmp_path, common=("--no-mirroring", "--step-size", "0.9"))
    runtime(["predict", "-i", str(images), "-o", str(target), "-m", str(own), "--threads", "1"])
    assert not np.array_equal(read_label(target / "a.nii.gz").array, plain["a.nii.gz"])


def test_a_2d_model_and_slices_along_any_axis(models, exported, write_images, blobs, tmp_path):
    bundle = models.bundle(tmp_path, patch=(8, 8), plan={"transpose": (0, 1, 2)})
    write_images("a", blobs((5, 15, 14)), spacing=(3.0, 0.8, 1.3))
    write_images("thin", blobs((14, 1, 17)), spacing=(0.9, 3.0, 1.0))
    images = write_images("flat", blobs((16, 12)), spacing=(0.9, 1.2))
    assert len(predict(bundle, exported(bundle), images, tmp_path)) == 3


@pytest.mark.parametrize("normalization", [("ct", "zscore"), ("rescale-0-1", "none")])
def test_regions_and_normalisations_with_masks(models, exported, write_images, blobs, tmp_path, normalization):
    bundle = models.bundle(tmp_path, labels=models.REGIONS, normalization=normalization, use_mask=True)
    images = write_images("a", blobs((9, 10, 11), channels=2))
    labels = predict(bundle, exported(bundle), images, tmp_path)["a.nii.gz"]
    assert {0, 2} <= set(np.unique(labels))


def test_anisotropic_images_are_resampled_slice_by_slice(models, exported, write_images, blobs, tmp_path):
    fields = {"spacing": (5.0, 1.0, 1.0), "patch": (8, 8, 8), "normalization": ("ct",)}
    plan = {"transpose": (2, 0, 1), "median_spacing": (5.0, 1.0, 1.0)}
    bundle = models.bundle(tmp_path, **fields, plan=plan)
    write_images("a", blobs((14, 15, 9)), spacing=(0.7, 0.8, 6.0))
    images = write_images(
        "b", blobs((12, 13, 12), seed=1), spacing=(1.1, 0.8, 2.0)
    )  # the new grid alone is anisotropic
    predict(bundle, exported(bundle), images, tmp_path)


@pytest.mark.parametrize("force", [True, False])
def test_separation_may_be_forced(models, exported, write_images, blobs, tmp_path, force):
    splines = SplineOrders(order=3, force_separate_z=force), SplineOrders(order=1, force_separate_z=force)
    resampling = Resampling(image=splines[0], label=splines[1], probability=splines[1])
    bundle = models.bundle(tmp_path, resampling=resampling)
    images = write_images("a", blobs((6, 13, 14)), spacing=(5.0, 1.0, 0.8))
    predict(bundle, exported(bundle), images, tmp_path)


@pytest.mark.parametrize("name", ["nnunet-none", "nnunet-torch"])
def test_other_resamplers(models, exported, write_images, blobs, tmp_path, name):
    bundle = models.bundle(tmp_path, plan={"choices": {"resampler": Choice(name=name)}})
    images = write_images("a", blobs((9, 12, 13)), spacing=(1.0, 1.2, 0.8))
    predict(bundle, exported(bundle), images, tmp_path)


def test_a_cascade_predicts_with_both_stages(models, exported, write_images, blobs, tmp_path):
    bundle = models.cascade(tmp_path)
    images = write_images("a", blobs((10, 12, 13)), spacing=(1.0, 1.2, 0.8))
    predict(bundle, exported(bundle), images, tmp_path)


def test_an_ensemble_averages_probabilities(models, exported, write_images, blobs, tmp_path):
    bundle = models.ensemble(tmp_path, rule=models.largest((1,), (2,)))
    images = write_images("a", blobs((10, 12, 13)), spacing=(1.0, 1.2, 0.8))
    predict(bundle, exported(bundle), images, tmp_path)
    assert not list((tmp_path / "by-runtime").glob("tmp*"))


def test_an_image_of_zeros_is_background(models, exported, write_images, tmp_path):
    bundle = models.bundle(tmp_path)
    images = write_images("a", np.zeros((1, 9, 9, 9), np.float32))
    assert not predict(bundle, exported(bundle), images, tmp_path, varied=False)["a.nii.gz"].any()


def test_pictures_of_several_channels(models, exported, tmp_path):
    from PIL import Image

    bundle = models.bundle(tmp_path, patch=(8, 8), normalization=("rgb-0-1",) * 3, ending=".png", spacing=(1.0, 1.0))
    folder = tmp_path / "images"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (12, 15, 3), np.uint8)
    Image.fromarray(noise).resize((20, 17)).save(folder / "a_0000.png")
    predict(bundle, exported(bundle), folder, tmp_path)
