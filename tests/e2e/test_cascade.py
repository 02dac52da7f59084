"""A cascade through the installed command: in order, from one command, and predicting from its bundle alone."""

import json
import shutil

import pytest

from nnplug.io.images import read_geometry, read_label

pytestmark = pytest.mark.slow  # a minute: nine trainings of seconds
CASCADE = "3d_cascade_fullres"
PLANNED = ("--memory-gb", "0.0003", "--set", "planner.base_features=4", "--set", "planner.max_features=8")
SHORT = (
    *("--set", "trainer.epochs=1", "--set", "trainer.iterations_per_epoch=2"),
    *("--set", "trainer.val_iterations_per_epoch=1", "--no-mirroring"),
)


@pytest.fixture(scope="module")
def splits():
    """Two folds of the four cases."""
    names = [f"phantom_{i:03d}" for i in range(4)]
    return [{"train": names[2:], "val": names[:2]}, {"train": names[:2], "val": names[2:]}]


@pytest.fixture(scope="module")
def workspace(phantom, splits, tmp_path_factory):
    import subprocess
    import sys
    from pathlib import Path

    folder = tmp_path_factory.mktemp("cascade")
    (folder / "Dataset999_Phantom").mkdir()
    (folder / "Dataset999_Phantom" / "splits.json").write_text(json.dumps(splits))
    words = [Path(sys.executable).parent / "nnplug", "run", phantom, "-w", folder, "-c", CASCADE, "-f", 1]
    done = subprocess.run([*map(str, words), *PLANNED, *SHORT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "Dataset999_Phantom", done


def test_asking_for_the_last_stage_trains_every_fold_of_the_first(workspace):
    folder, done = workspace
    assert {path.name for path in (folder / "runs/nnunet/3d_lowres").glob("fold_*")} == {"fold_0", "fold_1"}
    assert {path.name for path in (folder / f"runs/nnunet/{CASCADE}").glob("fold_*")} == {"fold_1"}
    assert f"{CASCADE} refines 3d_lowres: its folds 0, 1 are trained first" in done.stderr
    assert [path.name for path in (folder / "model").iterdir()] == [f"nnunet_{CASCADE}"]


def test_the_prepared_cases_are_shared_and_a_byte_per_voxel_is_added(workspace):
    prepared = workspace[0] / "preprocessed"
    names = {path.name for path in prepared.iterdir()}
    assert names == {"nnunet_3d_lowres", "nnunet_3d_fullres", f"nnunet_{CASCADE}_previous"}
    image = (prepared / "nnunet_3d_fullres/phantom_000/image.npy").stat().st_size
    added = (prepared / f"nnunet_{CASCADE}_previous/phantom_000/labels.npy").stat().st_size
    assert added - 128 == (image - 128) / 8  # two channels of four bytes


def test_the_bundle_alone_predicts(workspace, nnplug, phantom, tmp_path):
    shutil.copytree(workspace[0] / "model" / f"nnunet_{CASCADE}", tmp_path / "model")
    words = ("-i", phantom / "imagesTs", "-m", tmp_path / "model", "--no-mirroring")
    nnplug("predict", *words, "-o", tmp_path / "out", cwd=tmp_path, check=True)
    for label in sorted((phantom / "labelsTs").iterdir()):
        assert read_label(tmp_path / "out" / label.name).geometry == read_geometry(label)
    shown = nnplug("model", "show", tmp_path / "model", check=True).stdout
    assert "refines" in shown
    assert "3d_lowres, folds 0, 1" in shown


def test_a_missing_fold_is_named_with_a_command_that_makes_it(workspace, nnplug, phantom, tmp_path):
    copy = tmp_path / "w" / "Dataset999_Phantom"
    shutil.copytree(workspace[0], copy)
    shutil.rmtree(copy / "runs/nnunet/3d_lowres/fold_0")
    train = ("train", phantom, "-w", copy.parent, "-c", CASCADE, "-f", "0", "--no-mirroring")
    refused = nnplug(*train)
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith(
        f"error: 3d_lowres fold 0 is not trained, and {CASCADE} fold 0 refines it. Run: nnplug train"
    )
    assert not (copy / f"runs/nnunet/{CASCADE}/fold_0").exists()
    nnplug(*line.split("Run: nnplug ")[1].split(), "--no-mirroring", check=True)
    nnplug(*train, check=True)
    assert (copy / f"runs/nnunet/{CASCADE}/fold_0/validation/summary.json").exists()


def test_a_cascade_is_compared_with_its_first_stage_and_their_ensemble(workspace, nnplug, phantom, tmp_path):
    copy = tmp_path / "w" / "Dataset999_Phantom"
    shutil.copytree(workspace[0], copy)
    nnplug("train", phantom, "-w", copy.parent, "-c", CASCADE, "-f", "0", "--no-mirroring", check=True)
    done = nnplug("select", phantom, "-w", copy.parent, "--json", check=True)
    names = [entry["name"] for entry in json.loads(done.stdout)["entries"]]
    assert names == ["3d_lowres", CASCADE, f"3d_lowres + {CASCADE}"]
    words = ("-i", phantom / "imagesTs", "-m", copy / "model" / "selected", "--no-mirroring")
    nnplug("predict", *words, "-o", tmp_path / "out", check=True)
    assert len(list((tmp_path / "out").glob("*.nii.gz"))) == 2


def test_another_first_stage_is_noticed(workspace, nnplug, phantom, tmp_path):
    copy = tmp_path / "w" / "Dataset999_Phantom"
    shutil.copytree(workspace[0], copy)
    options = ("--set", "trainer.epochs=2", "--set", "trainer.initial_lr=0.02")
    again = ("train", phantom, "-w", copy.parent, "-c", "3d_lowres", "-f", "0", "--fresh", "--no-mirroring", *options)
    nnplug(*again, check=True)
    done = nnplug("train", phantom, "-w", copy.parent, "-c", CASCADE, "-f", "1", "--no-mirroring")
    assert done.returncode == 1
    assert "learned from another 3d_lowres fold 0 than is there now" in done.stderr
    assert "--fresh" in done.stderr
    runs = copy / "runs" / "nnunet" / CASCADE
    exported = nnplug("model", "export", runs, "-o", tmp_path / "bundle.zip")
    predicted = nnplug("predict", "-i", phantom / "imagesTs", "-m", runs, "-o", tmp_path / "out", "--no-mirroring")
    for other in (exported, predicted):
        assert other.returncode == 1
        assert "learned from another 3d_lowres fold 0 than is there now" in " ".join(other.stderr.split())
    assert not (tmp_path / "bundle.zip").exists()
