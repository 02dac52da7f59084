"""Prediction of images and folders with tiny models of random weights."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace

import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from nnplug.contracts import Topology
from nnplug.errors import InvalidFile, MissingProvider, NnplugError, Problems
from nnplug.inference.folder import predict_folder
from nnplug.inference.inputs import find_cases
from nnplug.inference.loaded import LoadedModel
from nnplug.inference.options import PredictOptions
from nnplug.inference.outputs.resume_log import LOG
from nnplug.io.images import read_geometry, read_image, read_label
from nnplug.plans.plans import Choice, Resampling, SplineOrders
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug.workspace.case_store import Prepared

CPU = torch.device("cpu")
REGIONS = {"background": 0, "whole": [1, 2], "core": 2}
EMPTY = Prepared(np.zeros((1, 8, 8, 8), np.float32), None, {})
MANY = {"background": 0, **{f"organ {value}": value for value in range(1, 9)}}


class Listener:
    """A progress that remembers."""

    def __init__(self):
        self.notices, self.advanced = [], []

    @contextmanager
    def task(self, title, total, *, done=0):
        yield lambda latest: self.advanced.append((title, total, done, latest))

    def notice(self, message):
        self.notices.append(message)

    warning = notice


@pytest.fixture(autouse=True)
def one_thread():
    """Networks so small compute longer on many threads, most of all beside other work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def volume(seed=0, shape=(6, 12, 11)):
    """An image with a border of zeros, so that there is something to crop."""
    array = np.zeros(shape, np.float32)
    array[1:-1, 2:-3, 1:-2] = np.random.default_rng(seed).normal(50, 20, array[1:-1, 2:-3, 1:-2].shape)
    return array


def test_labels_have_the_images_geometry_and_are_background_outside_the_crop(make_predictor, write_image):
    predictor = make_predictor()
    image = read_image(write_image("a", volume()).images)
    label_map = predictor.predict(image)
    assert label_map.shape == image.geometry.shape
    assert set(np.unique(label_map)) <= {0, 1, 2}
    assert label_map.any()
    outside = np.ones(label_map.shape, bool)
    outside[1:-1, 2:-3, 1:-2] = False
    assert not label_map[outside].any()


def test_labels_are_the_largest_of_the_probabilities(make_predictor, write_image):
    predictor = make_predictor()
    prepared = predictor.prepare(read_image(write_image("a", volume()).images))
    logits = predictor.logits(prepared)
    probabilities = np.stack(list(logits.volumes()))
    np.testing.assert_allclose(probabilities.sum(0), 1, atol=1e-5)
    assert np.array_equal(probabilities.argmax(0), logits.label_map(predictor.member.description.labels))
    assert probabilities[0, 0, 0, 0] == 1


def test_regions_are_painted_in_order_and_absent_outside_the_crop(make_model, make_predictor, write_image):
    predictor = make_predictor(make_model(labels=REGIONS))
    prepared = predictor.prepare(read_image(write_image("a", volume()).images))
    logits = predictor.logits(prepared)
    whole, core = probabilities = np.stack(list(logits.volumes()))
    assert not probabilities[:, 0].any()
    expected = np.where(core > 0.5, 2, np.where(whole > 0.5, 1, 0))
    assert np.array_equal(logits.label_map(predictor.member.description.labels), expected)


def test_folds_are_averaged_whether_weights_stay_in_memory_or_not(make_model, make_predictor, write_image, monkeypatch):
    model = make_model(folds=2)
    image = make_predictor(model).prepare(read_image(write_image("a", volume()).images))
    single = [make_predictor(replace(model, weights=(file,))).logits(image).values for file in model.weights]
    assert not torch.equal(*single)
    expected = torch.stack(single).mean(0)
    predictor = make_predictor(model)
    for _ in range(2):  # the second image finds the network with the last fold's weights
        torch.testing.assert_close(predictor.logits(image).values, expected)
    monkeypatch.setattr("nnplug.models.weights.RESIDENT_SHARE", 0)
    torch.testing.assert_close(make_predictor(model).logits(image).values, expected)


@pytest.mark.parametrize("fields", [{}, {"labels": REGIONS}, {"folds": 2}, {"labels": MANY}])
def test_a_label_map_without_the_whole_images_logits_is_the_same(make_model, make_predictor, write_image, fields):
    predictor = make_predictor(make_model(**fields))
    prepared = predictor.prepare(read_image(write_image("a", volume(shape=(27, 12, 11))).images))
    expected = predictor.logits(prepared).label_map(predictor.member.description.labels)
    assert np.array_equal(predictor.label_map(prepared), expected)
    assert len(np.unique(expected)) > 1


def test_mirroring_follows_training_and_can_be_left_out(make_predictor, write_image):
    mirrored, plain = make_predictor(), make_predictor(mirroring=False)
    assert (mirrored.mirror_axes, plain.mirror_axes) == ((0, 2), ())
    prepared = plain.prepare(read_image(write_image("a", volume()).images))
    patch = np.random.default_rng(0).normal(size=(1, *plain.configuration.patch_size)).astype(np.float32)
    image = replace(prepared, image=patch)
    passes = [(), (1,), (3,), (1, 3)]
    expected = [plain.logits(replace(image, image=np.flip(image.image, axes))).values.flip(axes) for axes in passes]
    torch.testing.assert_close(mirrored.logits(image).values, torch.stack(expected).mean(0), rtol=1e-4, atol=1e-5)


def test_passes_are_those_that_are_reported(make_model, make_predictor, write_image):
    predictor = make_predictor(make_model(folds=2))
    prepared = predictor.prepare(read_image(write_image("a", volume(shape=(7, 25, 34))).images))
    reports = []
    predictor.logits(prepared, report=lambda: reports.append(1))
    assert len(reports) == predictor.passes(prepared.image.shape[1:]) > 2


def test_a_missing_component_is_told_before_weights_are_read(make_model, make_predictor):
    model = make_model()
    providers = [msgspec.structs.replace(p, distribution="nnplug-gone", version="1.2") for p in model.providers]
    with pytest.raises(MissingProvider, match=r"this model needs .* Run: pip install 'nnplug-gone==1.2'"):
        make_predictor(replace(model, providers=tuple(providers), weights=()))


def test_another_version_is_a_notice(make_model, make_predictor):
    model, progress = make_model(), Listener()
    providers = tuple(msgspec.structs.replace(p, version="0.0.1") for p in model.providers)
    make_predictor(replace(model, providers=providers), progress=progress)
    assert len(progress.notices) == 2
    assert all("saved with nnplug-nnunet 0.0.1, used with" in notice for notice in progress.notices)


def test_weights_of_another_network_are_refused(make_model, make_predictor):
    model = make_model()
    save_file({"w": torch.zeros(1)}, model.weights[0])
    with pytest.raises(InvalidFile, match=r"fold_0.safetensors: does not fit the network of its plans \(.+\)"):
        make_predictor(model).logits(EMPTY)


def test_damaged_weights_are_refused(make_model, make_predictor):
    model = make_model()
    model.weights[0].write_bytes(b"no weights")
    with pytest.raises(InvalidFile, match=r"fold_0.safetensors: cannot be read as safetensors"):
        make_predictor(model).logits(EMPTY)


def test_weights_that_give_nan_are_refused(make_model, make_predictor, write_image):
    model = make_model()
    predictor = make_predictor(model)
    state = predictor._network.module.state_dict()
    save_file({key: torch.full(value.shape, torch.nan) for key, value in state.items()}, model.weights[0])
    prepared = predictor.prepare(read_image(write_image("a", volume()).images))
    with pytest.raises(NnplugError, match="the network gave values that are not finite"):
        make_predictor(model).logits(prepared)
    with pytest.raises(NnplugError, match="the network gave values that are not finite"):
        make_predictor(model).label_map(prepared)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"resampling": Resampling(probability=SplineOrders(order=3))}, "resample logits with order 3 and, across"),
        ({"resampling": Resampling(probability=SplineOrders(order=1, order_z=1))}, "across slices, 1; nnplug does 1"),
    ],
)
def test_what_cannot_be_predicted_is_said(make_model, make_predictor, fields, message):
    with pytest.raises(NnplugError, match=message):
        make_predictor(make_model(configuration=fields))


def test_an_image_of_zeros_is_background_with_a_notice(make_predictor, write_image):
    progress = Listener()
    predictor = make_predictor(progress=progress)
    label_map = predictor.predict(read_image(write_image("a", np.zeros((3, 4, 5), np.float32)).images))
    assert label_map.shape == (3, 4, 5)
    assert not label_map.any()
    assert progress.notices == ["the image is zero everywhere; its label map is all background"]


@pytest.mark.parametrize(
    ("channels", "bad", "message"),
    [(2, 0.0, "the image has 2 channels, expected 1"), (1, np.inf, "channel 'MR0': 1 voxels are NaN or infinite")],
)
def test_an_image_that_the_model_cannot_take_is_refused(make_predictor, write_image, channels, bad, message):
    image = read_image(write_image("a", *[volume()] * channels).images)
    image.array[0, 0, 0, 0] = bad
    with pytest.raises(NnplugError, match=message):
        make_predictor().prepare(image)


def test_a_folder_gets_label_maps_of_the_inputs_geometry(make_predictor, write_image, tmp_path):
    predictor, progress = make_predictor(), Listener()
    cases = [write_image(name, volume(seed)) for seed, name in enumerate(["a", "b", "c", "d"])]
    predict_folder(
        LoadedModel((predictor,)), cases, tmp_path / "out", PredictOptions(save_probabilities=True), progress=progress
    )
    for case in cases:
        file = tmp_path / "out" / f"{case.name}.nii.gz"
        label = read_label(file)
        assert label.geometry == read_geometry(case.images[0])
        assert np.array_equal(label.array, predictor.predict(read_image(case.images)))
        with np.load(tmp_path / "out" / f"{case.name}.npz") as stored:
            assert stored["probabilities"].dtype == np.float32
            assert np.array_equal(stored["probabilities"].argmax(0), label.array)
    assert {"plans.json", "dataset.json", LOG} < {file.name for file in (tmp_path / "out").iterdir()}
    assert [latest for title, *_, latest in progress.advanced if title == "predict"] == ["a", "b", "c", "d"]


def test_2d_files_give_2d_files(make_model, make_predictor, write_image, tmp_path):
    topology = Topology(strides=((1, 1), (2, 2)), kernel_sizes=((3, 3),) * 2, features_per_stage=(4, 8))
    options = Plugins().registry.get(Kind.ARCHITECTURE, "plain-conv-unet").load().options_for(topology)
    flat = {
        "architecture": Choice(name="plain-conv-unet", options=json.loads(json.dumps(options))),
        "spacing": (1.0, 1.0),
        "patch_size": (16, 16),
    }
    identity = {"transpose_forward": (0, 1, 2), "transpose_backward": (0, 1, 2)}
    model = replace(make_model(ending=".png", configuration=flat, **identity), mirror_axes=(0, 1))
    case = write_image("a", np.random.default_rng(0).integers(1, 255, (20, 23)).astype(np.uint8), ending=".png")
    predict_folder(
        LoadedModel((make_predictor(model),)), [case], tmp_path / "out", PredictOptions(), progress=Listener()
    )
    label = read_label(tmp_path / "out" / "a.png")
    assert label.geometry == read_geometry(case.images[0])
    assert label.geometry.dimensions == 2


def test_bad_cases_are_all_told_and_the_others_predicted(make_model, make_predictor, write_image, tmp_path):
    predictor = make_predictor(make_model(channels=2))
    good = volume()
    nan = good.copy()
    nan[2, 4, 4] = np.nan
    cases = [
        write_image("few", good),
        write_image("nan", good, nan),
        write_image("ok", good, good),
        write_image("torn", good, good),
        write_image("zero", 0 * good, 0 * good),
    ]
    gap = write_image("gap", good, good, good)
    cases.append(replace(gap, images=gap.images[::2]))
    torn = cases[3].images[1]
    torn.write_bytes(torn.read_bytes()[:200])
    progress = Listener()
    with pytest.raises(Problems) as problems:
        predict_folder(LoadedModel((predictor,)), cases, tmp_path / "out", PredictOptions(), progress=progress)
    few, nans, torn_line, gap_line = problems.value.lines
    assert few.startswith(
        f"few: {cases[0].images[0]}: the image has 1 channels, expected 2 (MR0, MR1). Give a file per"
    )
    assert nans.startswith(
        f"nan: {cases[1].images[1]}: 1 voxels are NaN or infinite, which readers may take for 0; replace them."
    )
    assert torn_line.startswith(f"torn: {torn}: is ")
    assert gap_line.endswith("gap_0001.nii.gz is missing; add the channel")
    assert sorted(file.name for file in (tmp_path / "out").glob("*.nii.gz")) == ["ok.nii.gz", "zero.nii.gz"]
    assert not read_label(tmp_path / "out" / "zero.nii.gz").array.any()
    assert progress.notices == ["zero: the image is zero everywhere; its label map is all background"]


@pytest.mark.parametrize("options", [PredictOptions(), PredictOptions(save_probabilities=True)], ids=["labels", "more"])
def test_label_maps_without_foreground_are_told_together(make_model, make_predictor, write_image, tmp_path, options):
    model = make_model()
    for file in model.weights:
        save_file({name: torch.zeros_like(value) for name, value in load_file(file).items()}, file)  # equal logits
    cases = [write_image(name, volume()) for name in ("a", "b", "c", "d")] + [write_image("zero", 0 * volume())]
    progress = Listener()
    predict_folder(LoadedModel((make_predictor(model),)), cases, tmp_path / "out", options, progress=progress)
    told = [line for line in progress.notices if "zero" not in line]
    assert told == ["no voxel is foreground in the label maps of a, b, c and 1 more"]


def test_empty_images_have_probabilities_too(make_predictor, write_image, tmp_path):
    case = write_image("zero", np.zeros((3, 4, 5), np.float32))
    predict_folder(
        LoadedModel((make_predictor(),)),
        [case],
        tmp_path / "out",
        PredictOptions(save_probabilities=True),
        progress=Listener(),
    )
    with np.load(tmp_path / "out" / "zero.npz") as stored:
        assert stored["probabilities"].shape == (3, 3, 4, 5)
        assert (stored["probabilities"][0] == 1).all()
        assert not stored["probabilities"][1:].any()


def predicted(progress):
    return [latest for title, *_, latest in progress.advanced if title == "predict"]


def test_continuing_keeps_what_is_finished_of_the_same_inputs_and_settings(
    make_model, make_predictor, write_image, tmp_path
):
    out, model = tmp_path / "out", make_model()
    cases = [write_image("a", volume(0)), write_image("b", volume(1)), write_image("c", volume(2))]
    predict_folder(LoadedModel((make_predictor(model),)), cases, out, PredictOptions(), progress=Listener())

    def again(**options):
        progress = Listener()
        predict_folder(
            LoadedModel((make_predictor(model, **options),)), cases, out, PredictOptions(resume=True), progress=progress
        )
        return predicted(progress)

    assert again() == []
    (out / "b.nii.gz").unlink()
    write_image("c", volume(3))
    assert again() == ["b", "c"]
    with (out / LOG).open("a") as log:
        log.write('{"case": "a", "dep')
    assert again() == []
    assert again(step=1.0) == ["a", "b", "c"]


def test_without_continuing_everything_is_predicted_again(make_predictor, write_image, tmp_path):
    cases, progress = [write_image("a", volume())], Listener()
    for _ in range(2):
        predict_folder(LoadedModel((make_predictor(),)), cases, tmp_path / "out", PredictOptions(), progress=progress)
    assert predicted(progress) == ["a", "a"]


def test_a_file_where_the_output_folder_should_be(make_predictor, write_image, tmp_path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(NnplugError, match="A file is where a folder should be"):
        predict_folder(
            LoadedModel((make_predictor(),)),
            [write_image("a", volume())],
            tmp_path / "out",
            PredictOptions(),
            progress=Listener(),
        )


def test_cases_come_from_folders_and_files(write_image, tmp_path):
    write_image("a", volume(), volume())
    png = write_image("b", np.zeros((4, 5), np.uint8), ending=".png", folder="other").images[0]
    loose = png.rename(png.with_name("scan.png"))
    cases = find_cases([tmp_path / "images", loose], ".nii.gz")
    assert [(case.name, len(case.images)) for case in cases] == [("a", 2), ("scan", 1)]


def test_inputs_that_give_no_case_are_all_told(write_image, tmp_path):
    write_image("a", volume())
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "dataset" / "imagesTr").mkdir(parents=True)
    inputs = ["images", "images", "empty", "absent", "notes.txt", "dataset"]
    with pytest.raises(Problems) as problems:
        find_cases([tmp_path / name for name in inputs], ".nii.gz")
    empty, absent, notes, dataset, twice = problems.value.lines
    assert empty.endswith("empty: holds no images called CASE_0000.nii.gz; rename them, or give the files")
    assert dataset.endswith("dataset: is a dataset, not a folder of images; give its folder imagesTr")
    assert absent.endswith("absent: no such file or folder; give a folder of images, or image files")
    assert "notes.txt: no image that nnplug reads; it reads .nii.gz" in notes
    assert twice == "a: two inputs have this name; predict them in two calls"


def test_a_folder_of_another_format_is_taken_if_it_has_but_one(write_image, tmp_path):
    write_image("a", volume(), volume(), ending=".mha")
    assert [(case.name, len(case.images)) for case in find_cases([tmp_path / "images"], ".nii.gz")] == [("a", 2)]
    write_image("b", volume(), volume(), ending=".nrrd")
    with pytest.raises(Problems, match=r"images: holds no images \.nii\.gz, but images \.nrrd and \.mha"):
        find_cases([tmp_path / "images"], ".nii.gz")
    write_image("c", volume(), volume())
    assert [case.name for case in find_cases([tmp_path / "images"], ".nii.gz")] == ["c"]
