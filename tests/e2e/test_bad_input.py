"""What users can get wrong: one clear line each, exit code 1, nothing half-written."""

import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk

CASE = "phantom_001"


@pytest.fixture
def broken(phantom, tmp_path):
    """A copy of the phantom to break."""
    folder = tmp_path / "Dataset999_Phantom"
    shutil.copytree(phantom, folder)
    return folder


def image(folder, channel=0):
    return folder / "imagesTr" / f"{CASE}_{channel:04d}.nii.gz"


def label(folder):
    return folder / "labelsTr" / f"{CASE}.nii.gz"


def rewrite(path, change):
    old = sitk.ReadImage(str(path))
    array = change(sitk.GetArrayFromImage(old).astype(np.float32))
    new = sitk.GetImageFromArray(array if path.parent.name == "imagesTr" else array.astype(np.uint8))
    if array.shape == sitk.GetArrayFromImage(old).shape:
        new.CopyInformation(old)
    sitk.WriteImage(new, str(path))


def put(value):
    def change(array):
        array[3, 4, 5] = value
        return array

    return change


def truncate(folder):
    image(folder).write_bytes(image(folder).read_bytes()[:200])


def empty(folder):
    shutil.rmtree(folder)
    folder.mkdir()


BREAKS = {
    "truncated": (truncate, f"{CASE}_0000.nii.gz"),
    "unknown label": (lambda f: rewrite(label(f), put(7)), "7"),
    "missing channel": (lambda f: image(f, 1).unlink(), f"{CASE}"),
    "one voxel": (lambda f: [rewrite(image(f, c), lambda a: a[:1, :1, :1]) for c in (0, 1)], f"{CASE}"),
    "NaN": (lambda f: rewrite(image(f), put(np.nan)), "NaN"),
    "not JSON": (lambda f: (f / "dataset.json").write_text("{"), "dataset.json: not valid JSON"),
    "label values": (
        lambda f: (f / "dataset.json").write_text((f / "dataset.json").read_text().replace('"cap": 2', '"cap": 5')),
        "consecutive",
    ),
    "wrong numTraining": (
        lambda f: (f / "dataset.json").write_text(
            json.dumps(json.loads((f / "dataset.json").read_text()) | {"numTraining": 9})
        ),
        "9",
    ),
    "empty folder": (empty, "dataset.json"),
    "missing label": (lambda f: label(f).unlink(), f"{CASE}.nii.gz"),
}


@pytest.mark.parametrize("kind", BREAKS)
def test_each_fault_is_one_clear_line(broken, nnplug, tmp_path, kind):
    change, quoted = BREAKS[kind]
    change(broken)
    done = nnplug("run", broken, "-w", tmp_path / "work", "--until", "plan")
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert any(quoted in line for line in lines), done.stderr
    assert not list((tmp_path / "work").rglob("*.json")), "nothing may be written for a faulty dataset"


def test_all_faults_are_told_at_once(broken, nnplug, tmp_path):
    truncate(broken)
    rewrite(label(broken), put(7))
    (broken / "imagesTr" / "phantom_002_0001.nii.gz").unlink()
    done = nnplug("verify", broken)
    assert done.returncode == 1
    told = done.stdout + done.stderr
    for quoted in (f"{CASE}_0000.nii.gz", f"{CASE}.nii.gz", "phantom_002"):
        assert quoted in told


def test_a_file_where_the_workspace_should_be(phantom, nnplug, tmp_path):
    (tmp_path / "work").write_text("")
    done = nnplug("run", phantom, "-w", tmp_path / "work", "--until", "plan")
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert "A file is where a folder should be" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_space_left_leaves_nothing_half_written(phantom, tmp_path):
    """A limit on the size of files stands for a full disk."""
    import resource
    import subprocess
    import sys
    from pathlib import Path

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    words = [Path(sys.executable).parent / "nnplug", "run", phantom, "-w", tmp_path / "work", "--until", "preprocess"]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False, preexec_fn=limit)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "cannot be written" in done.stderr
    assert "Free some space" in done.stderr
    assert not [path for path in (tmp_path / "work").rglob("*.npy") if path.is_file()]


def test_zero_image_predicts_background_with_a_notice(phantom, nnplug, tmp_path, tiny):
    nnplug(
        *("run", phantom, "-w", tmp_path, "-c", "3d_fullres", "-f", "all", "--no-mirroring", "--until", "train"),
        *("--set", "trainer.epochs=1", *tiny),
        check=True,
    )
    for channel in (0, 1):
        source = phantom / "imagesTs" / f"phantom_004_{channel:04d}.nii.gz"
        zero = sitk.ReadImage(str(source)) * 0
        (tmp_path / "in").mkdir(exist_ok=True)
        sitk.WriteImage(zero, str(tmp_path / "in" / source.name))
    model = tmp_path / "Dataset999_Phantom/runs/nnunet/3d_fullres/fold_all"
    done = nnplug("predict", "-i", tmp_path / "in", "-o", tmp_path / "out", "-m", model, check=True)
    assert "zero everywhere" in done.stderr
    assert not sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / "phantom_004.nii.gz"))).any()


def test_an_image_is_never_replaced_by_its_label_map(nnplug, shared, tmp_path):
    reference = shared / "reference" / "models" / "em"
    nnplug("model", "import-nnunet", reference / "model", "-o", tmp_path / "em.zip", check=True)
    (tmp_path / "x").mkdir()
    scan = tmp_path / "x" / "scan.png"
    shutil.copy(reference / "images" / "em_00_0000.png", scan)
    before = scan.read_bytes()
    done = nnplug("predict", "--device", "cpu", "-i", scan, "-o", tmp_path / "x", "-m", tmp_path / "em.zip")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {scan}: is read here, and a result of the same name would replace it; give")
    assert scan.read_bytes() == before
    assert [path.name for path in scan.parent.iterdir()] == ["scan.png"]
