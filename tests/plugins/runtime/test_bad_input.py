"""Bad models, images and outputs of the runtime: one clear line each, exit code 1, and nothing lost."""

from __future__ import annotations

import json
import shutil
import struct

import numpy as np
import pytest
import SimpleITK as sitk

from nnplug.runtime import output_log
from nnplug_runtime.command import main
from nnplug_runtime.images import ENDINGS


@pytest.fixture(scope="module")
def original(models, exported, tmp_path_factory):
    """An exported model of one channel and two folds, trained at 1.5 x 1 x 1 mm."""
    return exported(models.bundle(tmp_path_factory.mktemp("original"), folds=2))


@pytest.fixture
def folder(original, tmp_path):
    """A copy of the model, which a test may damage."""
    return shutil.copytree(original, tmp_path / "model")


@pytest.fixture
def predict(capsys, tmp_path):
    """`predict(model, images, ..)` gives the lines of stderr; with `code` the exit code that is expected."""

    def call(model, *words, code=1, output="out"):
        arguments = ["predict", "-m", str(model), "-o", str(tmp_path / output), "--no-mirroring", "--threads", "1"]
        for word in words:
            arguments += [word] if isinstance(word, str) else ["-i", str(word)]
        if code == 0:
            main(arguments)
        else:
            with pytest.raises(SystemExit) as stopped:
                main(arguments)
            assert stopped.value.code == code
        return capsys.readouterr().err.splitlines()

    return call


def change(folder, edit):
    path = folder / "model.json"
    data = json.loads(path.read_text())
    edit(data)
    path.write_text(json.dumps(data))


def set_value(value, *keys):
    def edit(data):
        for key in keys[:-1]:
            data = data[key]
        if value is None:
            del data[keys[-1]]
        else:
            data[keys[-1]] = value

    return edit


STAGE = ("members", 0)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (set_value(None, "schema"), "is no export of nnplug ('schema' is missing)"),
        (set_value(2, "schema"), "has schema 2, this nnplug-runtime reads up to 1; upgrade nnplug-runtime"),
        (set_value("torch-export", "format"), "has networks as torch-export, not ONNX"),
        (set_value(None, *STAGE, "windows"), "model.members[0].windows is missing; export the model again"),
        (set_value("a", *STAGE, "windows", "step"), "model.members[0].windows.step is 'a'; export the model again"),
        (set_value([1, 2], *STAGE, "transpose"), "model.members[0].transpose has 2 values, expected 3"),
        (set_value([], "labels"), "model.labels is '[]'; export the model again"),
        (set_value(3, "members"), "model.members is '3'; export the model again"),
        (set_value("odd", *STAGE, "channels", 0, "scheme"), "channels[0].scheme is 'odd', this nnplug-runtime knows"),
        (set_value(1, *STAGE, "resampling", "image", "order_across"), "resampling.image.order_across is 1"),
        (set_value("../a.onnx", *STAGE, "folds", 0, "file"), "holds '../a.onnx', which leads out of the folder"),
        (set_value([8, 8, 4], *STAGE, "windows", "patch_size"), "model.json has [1, 8, 8, 4]"),
        (set_value([1], *STAGE, "previous_labels"), "refines another stage, which is missing"),
    ],
)
def test_a_wrong_model_is_told(folder, predict, tmp_path, edit, words):
    change(folder, edit)
    (line,) = predict(folder, tmp_path)
    assert line.startswith("error: ")
    assert words in line


def test_missing_and_damaged_files_of_a_model_are_told(folder, predict, tmp_path):
    assert "model.json: is missing; give a folder that nnplug model export-onnx" in predict(tmp_path, tmp_path)[0]
    assert "has no fold '7'; it has 0, 1" in predict(folder, tmp_path, "--folds", "7")[0]
    network = folder / "3d_fullres/fold_1.onnx"
    network.write_bytes(network.read_bytes()[:-1])
    assert "fold_1.onnx: has sha256" in predict(folder, tmp_path)[0]
    network.unlink()
    assert "fold_1.onnx: is missing; export the model again" in predict(folder, tmp_path)[0]
    (folder / "model.json").write_text("{")
    assert "model.json: cannot be read as JSON" in predict(folder, tmp_path)[0]


def test_a_file_that_onnxruntime_cannot_open_is_told(folder, predict, tmp_path):
    import hashlib

    network = folder / "3d_fullres/fold_0.onnx"
    network.write_bytes(b"nothing")
    change(folder, set_value(hashlib.sha256(b"nothing").hexdigest(), *STAGE, "folds", 0, "sha256"))
    assert "fold_0.onnx: onnxruntime cannot open it (" in predict(folder, tmp_path)[0]


def test_options_out_of_their_range(folder, predict, tmp_path):
    assert predict(folder, tmp_path, "--step", "2") == [
        "error: the step between windows is 2; it must be above 0 and at most 1"
    ]
    lines = predict(folder, tmp_path, "--threads", "0", code=2)
    assert lines[-1].endswith("argument --threads: '0' is no number of threads; give 1 or more")


def test_inputs_that_are_no_images(folder, predict, tmp_path, write_images, blobs):
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "notes.txt").touch()
    lines = predict(folder, tmp_path / "nowhere", empty, tmp_path / "notes.txt")
    assert [line.partition(": ")[2] for line in lines] == [
        f"{tmp_path / 'nowhere'}: no such file or folder; give a folder of images, or image files",
        f"{empty}: holds no images called CASE_0000.nii.gz; rename them, or give the files",
        f"{tmp_path / 'notes.txt'}: no image that nnplug-runtime reads; it reads {', '.join(ENDINGS)}",
    ]
    write_images("a", blobs((9, 9, 9)), ending=".nrrd", folder="mixed")
    mixed = write_images("b", blobs((9, 9, 9)), ending=".mha", folder="mixed")
    assert "holds no images .nii.gz, but images .nrrd and .mha; give the files of one" in predict(folder, mixed)[0]


def test_formats_that_are_not_read(folder, predict, tmp_path):
    change(folder, set_value(".tif", "file_ending"))
    images = tmp_path / "images"
    images.mkdir()
    (images / "a_0000.tif").touch()
    assert predict(folder, images) == [
        f"error: {images}: holds no images that nnplug-runtime reads ({', '.join(ENDINGS)}); convert them from .tif"
    ]


def test_cases_of_one_name_and_missing_channels(folder, predict, tmp_path, write_images, blobs):
    one = write_images("a", blobs((9, 9, 9)))
    other = write_images("a", blobs((9, 9, 9)), folder="other")
    assert predict(folder, one, other) == [
        "error: a: two inputs have this name; predict them in separate commands",
    ]
    (one / "a_0000.nii.gz").rename(one / "a_0001.nii.gz")
    assert predict(folder, one) == [f"error: {one}: a_0000.nii.gz is missing; add the channel"]


def nifti(path, array, **header):
    """Write a NIfTI-1 file by hand: ITK writes neither NaN nor other units."""
    start = bytearray(352)
    struct.pack_into("<i", start, 0, 348)
    struct.pack_into("<8h", start, 40, 3, *array.shape[::-1], 1, 1, 1, 1)
    struct.pack_into("<2h", start, 70, 16, 32)
    struct.pack_into("<8f", start, 76, 1, 1, 1, 1.5, 1, 1, 1, 1)
    struct.pack_into("<3f", start, 108, 352, 1, 0)
    start[123] = header.get("unit", 2)
    start[344:348] = b"n+1\0"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(start) + array.astype("<f4").tobytes())


def test_faults_of_image_files_are_told_and_the_other_case_is_predicted(folder, predict, tmp_path, blobs):
    good = blobs((9, 9, 9))[0]
    wrong = good.copy()
    wrong[4, 4, 4] = np.nan
    images = tmp_path / "images"
    nifti(images / "good_0000.nii", good)
    nifti(images / "nan_0000.nii", wrong)
    nifti(images / "short_0000.nii", good)
    (images / "short_0000.nii").write_bytes((images / "short_0000.nii").read_bytes()[:-1])
    nifti(images / "metres_0000.nii", good, unit=1)
    (images / "zero_0000.nii").touch()
    lines = predict(folder, images)
    assert lines[0] == "good: 1 of 5"
    assert (tmp_path / "out/good.nii").is_file()
    assert [line.replace(f"{images}/", "") for line in lines[1:]] == [
        "error: metres: metres_0000.nii: its unit of length is not mm (code 1); save it in mm",
        "error: nan: nan_0000.nii: 1 voxels are NaN or infinite, which readers may take for 0; replace them.",
        "error: short: short_0000.nii: is empty or truncated; copy it again or leave its case out.",
        "error: zero: zero_0000.nii: is empty or truncated; copy it again or leave its case out.",
    ]
    assert not list((tmp_path / "out").glob(".*-*.nii"))


def test_other_formats_with_faults(folder, predict, tmp_path, write_images, blobs):
    from PIL import Image

    images = tmp_path / "pictures"
    images.mkdir()
    Image.fromarray(np.zeros((9, 9), np.uint8)).convert("P").save(images / "a_0000.png")
    assert predict(folder, images) == [
        f"error: a: {images / 'a_0000.png'}: is damaged, or no plain gray or RGB picture; save it as such"
    ]
    (tmp_path / "text_0000.nrrd").write_text("no image")
    assert "text_0000.nrrd: cannot be read as an image (" in predict(folder, tmp_path / "text_0000.nrrd")[0]
    write_images("inf", np.full((1, 9, 9, 9), np.inf, np.float32), ending=".nrrd", folder="inf")
    assert "729 voxels are NaN or infinite" in predict(folder, tmp_path / "inf")[0]


def test_an_image_of_another_number_of_channels(folder, predict, write_images, blobs):
    images = write_images("a", blobs((9, 9, 9), channels=2))
    (line,) = predict(folder, images)
    assert line.startswith("error: a: the image has 2 channels, expected 1 (MR0). Give a file per channel")


def test_channels_that_do_not_match(models, exported, predict, tmp_path, write_images, blobs):
    model = exported(models.bundle(tmp_path, normalization=("zscore", "zscore")))
    images = write_images("a", blobs((9, 9, 9), channels=2))
    second = images / "a_0001.nii.gz"
    image = sitk.ReadImage(str(second))
    sitk.WriteImage(image[:-1], str(second))
    assert "has shape (9, 9, 9), " in predict(model, images)[0]
    image.SetSpacing((1.0, 1.0, 2.0))
    sitk.WriteImage(image, str(second))
    assert "has spacing (1.5, 1.0, 1.0), " in predict(model, images)[0]
    image.SetSpacing((1.0, 1.0, 1.5))
    image.SetDirection((1, 0, 0, 0, 1, 0, 0, 0, 1))
    sitk.WriteImage(image, str(second))
    assert "its axes point to LPS, those of" in predict(model, images)[0]


def test_a_spacing_far_from_the_training_needs_force(folder, predict, write_images, blobs):
    images = write_images("a", blobs((9, 9, 9)), spacing=(0.015, 0.01, 0.01))
    (line,) = predict(folder, images)
    assert line == (
        "error: a: the image has spacing 0.015 x 0.01 x 0.01 mm (z, y, x), the model was trained at 1 x 1.5 x 1 mm. "
        "Correct the header, or insist with --force"
    )
    assert predict(folder, images, "--force", code=0)[-1] == "a: 1 of 1"


def test_an_orientation_that_no_training_image_had_is_a_warning(folder, predict, write_images, blobs):
    change(folder, set_value({"RAS": 3}, "orientations"))
    images = write_images("a", blobs((9, 9, 9)))
    first, _ = predict(folder, images, code=0)
    assert first.startswith("warning: a: its axes point to PLI, which no training image had (RAS x 3)")


def test_values_out_of_range_for_colours(models, exported, predict, tmp_path, write_images, blobs):
    model = exported(models.bundle(tmp_path, normalization=("rgb-0-1",)))
    images = write_images("a", blobs((9, 9, 9)) + 1000)
    assert "channel 'MR0': holds " in predict(model, images)[0]


def test_statistics_that_are_missing(models, exported, predict, tmp_path, write_images, blobs):
    model = exported(models.bundle(tmp_path, normalization=("ct",)))
    change(model, set_value(None, *STAGE, "channels", 0, "statistics"))
    assert "has no statistics for its normalisation" in predict(model, write_images("a", blobs((9, 9, 9))))[0]


def test_files_of_the_user_are_kept_unless_replace_is_given(folder, predict, tmp_path, write_images, blobs):
    images = write_images("a", blobs((9, 9, 9)))
    out = tmp_path / "out/a.nii.gz"
    out.parent.mkdir()
    out.write_text("mine")
    (line,) = predict(folder, images)
    assert line == (
        f"error: {out}: is there, and nnplug did not write it; give another output (-o), or allow it with --replace"
    )
    assert out.read_text() == "mine"
    predict(folder, images, "--replace", "--folds", "1", code=0)
    predict(folder, images, code=0)  # a file of our own may be replaced
    assert output_log.is_one_of(out, output_log.read(out.parent)["a.nii.gz"])  # nnplug knows it as its own
    out.unlink()
    out.mkdir()
    assert "is a folder, but a file is to be written here" in predict(folder, images)[0]


def test_an_image_is_not_replaced_by_its_label_map(folder, predict, tmp_path, write_images, blobs):
    images = write_images("a", blobs((9, 9, 9)))
    single = images / "b.nii.gz"
    shutil.move(images / "a_0000.nii.gz", single)
    (line,) = predict(folder, single, "--replace", output="images")
    assert f"{single}: is the same file as {single}, which is read here and would be replaced" in line
    blocked = tmp_path / "file"
    blocked.touch()
    assert "cannot be written (" in predict(folder, single, output="file/out")[0]


def test_values_that_are_not_finite_are_told(folder, predict, write_images, blobs, monkeypatch):
    import onnxruntime

    images = write_images("a", blobs((9, 9, 9)))
    opened = onnxruntime.InferenceSession

    class Odd:
        def __init__(self, *words, **options):
            self.session = opened(*words, **options)
            self.get_inputs = self.session.get_inputs

        def run(self, names, batch):
            return [self.session.run(names, batch)[0] * np.float32(np.nan)]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Odd)
    assert "the network gave values that are not finite" in predict(folder, images)[0]
    monkeypatch.setattr(Odd, "run", lambda *_: 1 / 0)
    assert "onnxruntime failed (division by zero)" in predict(folder, images)[0]
