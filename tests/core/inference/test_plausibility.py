"""Images that are far from those of the training are refused or warned of, before they are resampled."""

from __future__ import annotations

import numpy as np
import pytest

import nnplug
from nnplug.errors import NnplugError, Problems
from nnplug.inference.folder import predict_folder
from nnplug.inference.inputs import find_cases
from nnplug.inference.loaded import LoadedModel
from nnplug.inference.options import PredictOptions
from nnplug.inference.plausibility import check_orientation, check_size, mixed_orientations
from nnplug.io.images import Geometry, read_label, write_image
from nnplug.models.open import open_model
from nnplug.registry.runtime import Runtime
from nnplug.runtime.progress import Silent

IDENTITY = tuple(np.eye(3).ravel().tolist())


def geometry(spacing, shape=(6, 12, 11), direction=IDENTITY) -> Geometry:
    return Geometry(shape, spacing, spacing[::-1], (0.0, 0.0, 0.0), direction)


@pytest.mark.parametrize(
    "spacing",
    [(1.0, 1.0, 1.0), (4.0, 4.0, 4.0), (20.0, 1.0, 1.0), (0.25, 0.25, 0.25), (5.0, 0.3, 0.3)],
)
def test_what_scanners_make_is_predicted(spacing, make_model):
    check_size(geometry(spacing), make_model())


@pytest.mark.parametrize(
    ("spacing", "shape"),
    [
        ((0.001, 0.001, 0.001), "1 x 1 x 1 voxels"),
        ((10.0, 10.0, 10.0), "40 x 120 x 110 voxels"),
        ((1000.0, 1.0, 1.0), "4000 x 12 x 11 voxels"),
        ((0.001, 1.0, 1.0), "voxels"),
    ],
)
def test_wrong_units_are_refused_with_both_spacings(spacing, shape, make_model):
    with pytest.raises(NnplugError, match="the model was trained at 1 x 1 x 1 mm") as caught:
        check_size(geometry(spacing), make_model())
    text = str(caught.value)
    assert f"spacing {' x '.join(f'{s:g}' for s in spacing)} mm" in text
    assert shape in text
    assert text.endswith("or predict it as it is with force=True")


def test_what_the_memory_cannot_hold_is_refused(make_model):
    with pytest.raises(NnplugError, match=r"needs .* GB"):
        check_size(geometry((3.0, 3.0, 3.0), shape=(5000, 5000, 5000)), make_model())


def test_the_distance_of_slices_is_nothing_to_a_2d_model(make_model):
    flat = {"spacing": (1.0, 1.0), "patch_size": (8, 8), "median_shape": (8.0, 8.0)}
    model = make_model(configuration=flat, transpose_forward=(0, 1, 2), transpose_backward=(0, 1, 2))
    check_size(geometry((999.0, 1.0, 1.0), shape=(1, 12, 11)), model)
    with pytest.raises(NnplugError, match="trained at"):
        check_size(geometry((1.0, 0.01, 0.01)), model)


def test_predictor_and_folder_refuse_one_case_and_take_it_when_forced(bundle, tmp_path, plugins):
    path = bundle("a.zip")
    voxels = np.random.default_rng(0).normal(50, 20, (6, 12, 11)).astype(np.float32)
    with pytest.raises(NnplugError, match="the model was trained at"):
        nnplug.Predictor(path, device="cpu").predict(voxels[None], (0.01, 0.01, 0.01))
    assert nnplug.Predictor(path, device="cpu", force=True).predict(voxels[None], (0.01, 0.01, 0.01)).shape == (
        6,
        12,
        11,
    )

    for name, spacing in (("right", (2.0, 1.1, 0.8)), ("wrong", (0.002, 0.0011, 0.0008))):
        write_image(tmp_path / "in" / f"{name}_0000.nii.gz", voxels, geometry(spacing))
    predict(path, tmp_path / "in", tmp_path / "forced", plugins, force=True)
    assert (tmp_path / "forced" / "wrong.nii.gz").is_file()
    with pytest.raises(Problems, match="wrong: the image has spacing 0.002 x 0.0011 x 0.0008 mm"):
        predict(path, tmp_path / "in", tmp_path / "out", plugins)
    assert (tmp_path / "out" / "right.nii.gz").is_file()
    assert not (tmp_path / "out" / "wrong.nii.gz").exists()


class Warnings(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, message: str) -> None:
        self.lines.append(message)


def predict(model, images, output, plugins, progress=None, **options):
    chosen, shown = PredictOptions(**options), progress or Silent()
    loaded = LoadedModel.load(open_model(model), Runtime(plugins, device="cpu", progress=shown), chosen)
    predict_folder(loaded, find_cases([images], ".nii.gz"), output, chosen, progress=shown)


def test_orientations_of_the_training_are_recorded_and_others_warned_of(make_model):
    plans = make_model(orientations={"LPS": 7}).plans
    assert check_orientation(geometry((1.0, 1.0, 1.0)), plans) is None
    other = geometry((1.0, 1.0, 1.0), direction=(-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0))
    assert "point to RAS, which no training image had (LPS x 7)" in check_orientation(other, plans)
    assert plans.digest() == make_model().plans.digest()


def test_mixed_images_are_warned_of_if_the_model_records_none(bundle, tmp_path, plugins):
    voxels = np.random.default_rng(0).normal(50, 20, (6, 12, 11)).astype(np.float32)
    turned = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
    for name, direction in (("a", IDENTITY), ("b", turned)):
        write_image(tmp_path / "in" / f"{name}_0000.nii.gz", voxels, geometry((2.0, 1.1, 0.8), direction=direction))
    old, new = Warnings(), Warnings()
    predict(bundle("old.zip"), tmp_path / "in", tmp_path / "old", plugins, old)
    assert [line for line in old.lines if "2 orientations: LPS (a), RAS (b)" in line]
    predict(bundle("new.zip", orientations={"LPS": 3}), tmp_path / "in", tmp_path / "new", plugins, new)
    (line,) = new.lines
    assert line.startswith("b: its axes point to RAS, which no training image had (LPS x 3)")
    assert mixed_orientations({"LPS": ["a", "b"]}) is None


def test_a_predictor_warns_of_what_it_finds_in_files(bundle, tmp_path):
    """Sheared axes and other orientations are told in Python too, by the progress that the caller gives."""
    turned = geometry((2.0, 1.1, 0.8), direction=(-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0))
    write_image(tmp_path / "a_0000.nii.gz", np.ones((6, 12, 11), np.float32), turned)
    told = Warnings()
    predictor = nnplug.Predictor(bundle("m.zip", orientations={"LPS": 3}), device="cpu", progress=told)
    predictor.predict_files(tmp_path / "a_0000.nii.gz")
    (line,) = told.lines
    assert line.startswith(
        f"{tmp_path / 'a_0000.nii.gz'}: its axes point to RAS, which no training image had (LPS x 3)"
    )


@pytest.mark.parametrize("axis", [1, 2])
def test_a_2d_model_predicts_a_slice_along_any_axis_alike(axis, bundle, tmp_path, plugins):
    flat = {"spacing": (1.0, 1.0), "patch_size": (8, 8), "median_shape": (8.0, 8.0)}
    flat["architecture"] = flat_network(plugins)
    path = bundle("flat.zip", configuration=flat, transpose_forward=(0, 1, 2), transpose_backward=(0, 1, 2))
    picture = np.random.default_rng(0).normal(50, 20, (12, 16)).astype(np.float32)
    for name, at in (("first", 0), ("other", axis)):
        voxels = np.expand_dims(picture, at)
        write_image(tmp_path / "in" / f"{name}_0000.nii.gz", voxels, geometry((1.0, 1.0, 1.0), shape=voxels.shape))
    predict(path, tmp_path / "in", tmp_path / "out", plugins, save_probabilities=True, mirroring=False)
    first, other = (read_label(tmp_path / "out" / f"{name}.nii.gz").array for name in ("first", "other"))
    assert len(np.unique(first)) > 1
    assert np.array_equal(np.moveaxis(other, axis, 0), first)
    predictor = nnplug.Predictor(path, device="cpu", mirroring=False)
    found = predictor.predict_files(tmp_path / "in" / "other_0000.nii.gz")
    assert np.array_equal(found.array, other)
    array = np.expand_dims(picture, axis)[None]
    assert np.array_equal(predictor.predict(array, (1.0, 1.0, 1.0)), other)
    assert np.array_equal(predictor.probabilities(array, (1.0, 1.0, 1.0)).argmax(0), other)
    volumes = [np.load(tmp_path / "out" / f"{name}.npz")["probabilities"] for name in ("first", "other")]
    assert np.array_equal(np.moveaxis(volumes[1], 1 + axis, 1), volumes[0])


def flat_network(plugins):
    import json

    from nnplug.contracts import Topology
    from nnplug.plans.plans import Choice
    from nnplug.registry.components import Kind

    topology = Topology(strides=((1,) * 2, (2,) * 2), kernel_sizes=((3,) * 2,) * 2, features_per_stage=(4, 8))
    options = plugins.registry.get(Kind.ARCHITECTURE, "plain-conv-unet").load().options_for(topology)
    return Choice(name="plain-conv-unet", options=json.loads(json.dumps(options)))
