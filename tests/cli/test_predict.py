"""`nnplug predict` with a model that nnU-Net v2 trained."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from nnplug.io.images import Geometry, read_label, write_image
from nnplug_cli.main import main


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def run():
    def run(*words, code=0):
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def em(shared):
    return shared / "reference" / "models" / "em"


@pytest.fixture
def bundle(run, em, tmp_path):
    run("model", "import-nnunet", em / "model", "-o", tmp_path / "em.zip")
    return tmp_path / "em.zip"


def test_images_are_predicted_and_bad_ones_told(run, em, bundle, tmp_path):
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    shutil.copy(em / "images" / "em_00_0000.png", images)
    (images / "torn_0000.png").write_bytes((em / "images" / "em_01_0000.png").read_bytes()[:500])
    words = ("predict", "-i", images, "-o", out, "-m", bundle, "--device", "cpu", "--no-mirroring", "--step-size", "1")
    words += ("--gpu-memory-gb", "8")  # a CPU has no such budget
    result = run(*words, code=1)
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: torn: {images / 'torn_0000.png'}: ")
    label = read_label(out / "em_00.png").array
    assert label.shape == (1, 512, 512)
    assert set(label.ravel()) <= {0, 1}
    assert not (out / "torn.png").exists()

    (images / "torn_0000.png").unlink()
    written = (out / "em_00.png").stat().st_mtime_ns
    result = run(*words, "--continue", "--json")
    assert json.loads(result.stdout) == {"output": str(out), "cases": ["em_00"]}
    assert (out / "em_00.png").stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--fold", "7"), "has no fold '7'; it has all"),
        (("--weights", "best"), "holds the final weights only"),
    ],
)
def test_what_the_model_does_not_have_is_one_line(run, em, bundle, tmp_path, words, message):
    result = run("predict", "-i", em / "images", "-o", tmp_path / "out", "-m", bundle, *words, code=1)
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_the_reader_that_is_asked_for_reads_the_images(run, em, bundle, tmp_path):
    words = ("predict", "-i", em / "images", "-o", tmp_path / "out", "-m", bundle, "--device", "cpu", "--reader")
    assert "no reader is called 'simpleitc'. Did you mean 'simpleitk'?" in run(*words, "simpleitc", code=1).stderr
    run(*words, "simpleitk", "--no-mirroring", "--step-size", "1", "--part", "0", "--parts", "9")
    assert len(list((tmp_path / "out").glob("em_*.png"))) == 1


def test_label_maps_are_also_written_in_other_formats(run, em, bundle, tmp_path):
    words = ("predict", "-i", em / "images" / "em_00_0000.png", "-o", tmp_path / "out", "-m", bundle, "--device", "cpu")
    words += ("--no-mirroring", "--step-size", "1")
    run(*words, "-ot", "nifti", "--json")
    png, nifti = read_label(tmp_path / "out" / "em_00.png"), read_label(tmp_path / "out" / "em_00.nii.gz")
    assert np.array_equal(png.array, nifti.array)
    written = (tmp_path / "out" / "em_00.nii.gz").stat().st_mtime_ns
    run(*words, "-ot", "nifti", "--continue")
    assert (tmp_path / "out" / "em_00.nii.gz").stat().st_mtime_ns == written
    (tmp_path / "out" / "em_00.nii.gz").write_bytes(b"changed by hand")
    run(*words, "-ot", "nifti", "--continue")
    assert (tmp_path / "out" / "em_00.nii.gz").read_bytes() == b"changed by hand"
    assert "has changed since nnplug wrote it" in run(*words, "-ot", "nifti", code=1).stderr
    (tmp_path / "out" / "em_00.nii.gz").unlink()
    run(*words, "-ot", "nifti", "--continue")
    assert np.array_equal(read_label(tmp_path / "out" / "em_00.nii.gz").array, png.array)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-ot", "nifty"), "no writer is called 'nifty'. Did you mean 'nifti'?"),
        (("-ot", "nifti", "dicom"), "no writer is called 'dicom'"),
        (("--output-type", "nifti", "--set", "writer.colour=red"), "none of nifti has an option 'colour'"),
        (("--series", "1.2.3"), "1.2.3: no input has an image series with this id"),
    ],
)
def test_mistakes_in_output_types_and_series_are_one_line(run, em, bundle, tmp_path, words, message):
    result = run("predict", "-i", em / "images", "-o", tmp_path / "out", "-m", bundle, *words, code=1)
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_an_image_in_another_unit_is_refused_unless_it_is_forced(run, em, bundle, tmp_path):
    image = tmp_path / "metres_0000.nii.gz"
    geometry = Geometry((1, 40, 50), (999.0, 0.001, 0.001), (0.001, 0.001), (0.0, 0.0), (1.0, 0.0, 0.0, 1.0))
    write_image(image, np.random.default_rng(0).normal(100, 20, (1, 40, 50)).astype(np.float32), geometry)
    words = ("predict", "-i", image, "-o", tmp_path / "out", "-m", bundle, "--device", "cpu", "--no-mirroring")
    (line,) = [line for line in run(*words, code=1).stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith(
        "error: metres: the image has spacing 0.999 x 0.001 x 0.001 mm (z, y, x), the model was trained"
    )
    assert line.endswith("Correct the header; or predict it as it is with --force")
    run(*words, "--force")
    assert read_label(tmp_path / "out" / "metres.nii.gz").array.shape == (1, 40, 50)


def test_a_step_of_zero_is_a_usage_error(run, em, tmp_path):
    run("predict", "-i", em, "-o", tmp_path, "-m", em, "--step-size", "0", code=2)


def test_another_inference_may_be_chosen_for_a_prediction(run, em, bundle, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    shutil.copy(em / "images" / "em_00_0000.png", images)
    words = ("predict", "-i", images, "-m", bundle, "--device", "cpu", "--no-mirroring")
    run(*words, "-o", tmp_path / "windows", "--set", "inference.step=1")
    run(*words, "-o", tmp_path / "steps", "--step-size", "1")
    run(*words, "-o", tmp_path / "whole", "--inference", "whole-image")
    windows, steps, whole = (read_label(tmp_path / f / "em_00.png").array for f in ("windows", "steps", "whole"))
    assert (windows == steps).all()
    assert 0.9 < (windows == whole).mean() < 1

    result = run(*words, "-o", tmp_path / "out", "--inference", "whole-image", "--step-size", "1", code=1)
    assert "inference 'whole-image' has no option 'step'" in result.stderr
    result = run(*words, "-o", tmp_path / "out", "--inference", "whole", code=1)
    assert "no inference is called 'whole'. Did you mean 'whole-image'?" in result.stderr


def test_parts_share_a_folder_and_several_models_are_averaged(run, em, bundle, tmp_path):
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    for number in range(3):
        shutil.copy(em / "images" / "em_00_0000.png", images / f"c{number}_0000.png")
    words = ("predict", "-i", images, "-o", out, "--device", "cpu", "--no-mirroring", "--step-size", "1", "--json")
    first = run(*words, "-m", bundle, "-m", bundle, "--parts", "2")
    assert json.loads(first.stdout)["cases"] == ["c0", "c2"]
    assert sorted(file.name for file in out.glob("*.png")) == ["c0.png", "c2.png"]
    assert json.loads(run(*words, "-m", bundle, "--part", "1", "--parts", "2").stdout)["cases"] == ["c1"]
    labels = [read_label(out / f"c{number}.png").array for number in range(2)]
    assert (labels[0] == labels[1]).all()  # a model averaged with itself, and the model alone
    assert {"plans.json", "dataset.json"} <= {file.name for file in out.iterdir()}


def test_parts_count_from_zero(run, em, bundle, tmp_path):
    words = ("predict", "-i", em / "images", "-o", tmp_path / "out", "-m", bundle, "--part", "2", "--parts", "2")
    assert "parts count from 0 to 1" in run(*words, code=2).stderr


def test_the_dataset_that_lists_images_stands_for_them(run, em, bundle, tmp_path):
    raw = json.loads((em / "model" / "dataset.json").read_text())
    listed = tmp_path / "Dataset001_List"
    listed.mkdir()
    images = [str(em / "images" / "em_00_0000.png")]
    (listed / "dataset.json").write_text(json.dumps({**raw, "testing": {"slice": {"images": images}}}))
    words = ("-m", bundle, "--device", "cpu", "--no-mirroring", "--step-size", "1")
    run("predict", "-i", listed, "-o", tmp_path / "out", *words)
    assert [path.name for path in (tmp_path / "out").glob("*.png")] == ["slice.png"]
