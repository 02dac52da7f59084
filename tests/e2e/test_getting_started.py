"""The pages of docs/getting-started are followed word by word, from the new environment to the last command.

Two things differ from what a reader does: pip finds wheels in a folder instead of on PyPI and other libraries are there
already, and `nnplug run` gets `SHORT`, for the trainings that the pages mean take days. The data are phantoms.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import SimpleITK as sitk

from nnplug.contracts import PredictedCase
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.dataset import Dataset
from nnplug.dataset.phantom import write_phantom
from nnplug.io.images import read_label
from nnplug_dicom.example import Acquisition, write_series
from nnplug_dicom.reader import DicomReader
from nnplug_dicom.seg_writer import SegWriter

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "getting-started"
DATASET = "Dataset123_Liver"
SHORT = (
    *("--set", "planner.base_features=4", "--set", "planner.max_features=8", "--set", "plan.batch_size=2"),
    *("--set", "trainer.epochs=1", "--set", "trainer.iterations_per_epoch=1"),
    *("--set", "trainer.val_iterations_per_epoch=1"),
)
INSTALL = ("python3 -m venv nnplug-env", "source nnplug-env/bin/activate")
NEEDED = "nnplug-core nnplug-cpu nnplug-dicom nnplug-nnunet"
"""What pip installs with nnplug[dicom]; it is told so, since dependencies are not looked up here."""
OURS = ("core", "cli", "plugins/cpu", "plugins/dicom", "plugins/nnunet")

pytestmark = pytest.mark.slow


def lines_of(page):
    """The commands of a page, in order."""
    blocks = re.findall(r"```sh\n(.*?)```", (PAGES / f"{page}.md").read_text(), re.DOTALL)
    return "".join(blocks).splitlines()


@pytest.fixture(scope="module")
def wheels(tmp_path_factory, new_environment):
    folder = tmp_path_factory.mktemp("wheels")
    environment = new_environment(folder / "environment")
    for name in OURS:
        environment.expect("pip", "wheel", "-q", "--no-build-isolation", "-w", folder / "dist", ROOT / name)
    return folder / "dist"


@pytest.fixture
def follow(wheels, tmp_path, bare_environment):
    """Return a function that types the commands of a page in a folder, and returns what they print."""
    bare_environment(tmp_path, "nnplug-env")

    def type_in(page):
        lines = lines_of(page)
        assert tuple(lines[:2]) == INSTALL
        short = (
            f'nnplug() {{ case $1 in run) command nnplug "$@" {shlex.join(SHORT)};; *) command nnplug "$@";; esac; }}'
        )
        pip = f'pip() {{ command pip "$@" {NEEDED}; }}'
        script = "\n".join(["set -euo pipefail", short, pip, *lines])
        found = {
            "PIP_NO_DEPS": "1",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(wheels),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=os.environ | found, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return type_in


def phantom(folder):
    """A dataset of one channel with five training cases and two others."""
    raw = write_phantom(folder / DATASET, cases=5, unseen=2, shape=(20, 24, 22)).folder
    for second in raw.rglob("*_0001.nii.gz"):
        second.unlink()
    description = json.loads((raw / "dataset.json").read_text())
    (raw / "dataset.json").write_text(json.dumps({**description, "channel_names": {"0": "CT"}}))
    return raw


def names(folder, ending=".nii.gz"):
    return {path.name.removesuffix(ending) for path in folder.glob(f"*{ending}")}


def test_a_dataset_of_nnunet(follow, tmp_path):
    raw = phantom(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in raw.rglob("*")}
    printed = follow("nnunet-dataset")
    assert f"{DATASET}: 5 cases read, 0 problems, 0 warnings" in printed
    unseen = {name.removesuffix("_0000") for name in names(raw / "imagesTs")}
    assert names(tmp_path / "predictions") == names(tmp_path / "pictures", ".png") == unseen
    assert len(json.loads((tmp_path / "summary.json").read_text())["metric_per_case"]) == 2
    assert {path: path.stat().st_mtime_ns for path in raw.rglob("*")} == before


def test_folders_of_dicom_and_nifti(follow, tmp_path):
    raw = Dataset.open(phantom(tmp_path / "source"))
    for name in ("images", "labels"):
        (tmp_path / "mydata" / name).mkdir(parents=True)
    for number, case in enumerate(raw.training_cases()):
        shutil.copy(case.images[0], tmp_path / "mydata" / "images" / f"{case.name}.nii.gz")
        shutil.copy(case.label, tmp_path / "mydata" / "labels" / f"{case.name}_seg.nii.gz")
        series(tmp_path / "patients" / case.name, case, raw.description, number)
    shutil.copytree(raw.folder / "imagesTs", tmp_path / "new_images")
    shutil.move(tmp_path / "patients" / case.name, tmp_path / "new_series")
    (tmp_path / "new_series" / "labels.dcm").unlink()
    follow("dicom-or-nifti")
    description = json.loads((tmp_path / DATASET / "dataset.json").read_text())
    assert (description["channel_names"], description["labels"]["tumour"]) == ({"0": "CT"}, 2)
    organs = Dataset.open(tmp_path / "Dataset124_Organs")
    assert len(organs.training_cases()) == 4
    assert set(organs.description.labels.foreground_names) == set(raw.description.labels.foreground_names)
    assert names(tmp_path / "predictions") == names(tmp_path / "pictures", ".png") == {"phantom_005", "phantom_006"}
    written = {path.name for path in (tmp_path / "series_predictions").iterdir()}
    assert {f"new_series{ending}" for ending in (".nii.gz", ".seg.dcm", ".rtstruct.dcm")} <= written


def series(folder, case, description, number):
    """Write a case as a DICOM series with a SEG."""
    image = sitk.GetArrayFromImage(sitk.ReadImage(case.images[0]))
    write_series(folder / "ct", image.astype("int16"), Acquisition(study=number, pixel=(1.0, 1.0), step=1.0))
    (found,) = DicomReader().find_images(folder / "ct")
    files = CaseFiles(case.name, (found.path,))
    SegWriter().write(folder / "labels.dcm", PredictedCase(files, read_label(case.label), description, "a", "1"))


def test_a_model_of_nnunet(follow, tmp_path, nnplug):
    raw = phantom(tmp_path)
    quick = ("-c", "3d_fullres", "-f", "0", "--no-mirroring", *SHORT)
    nnplug("run", raw, "-w", tmp_path / "before", *quick, check=True)
    bundle = tmp_path / "before" / DATASET / "model" / "nnunet_3d_fullres"
    results = tmp_path / "nnUNet_results" / DATASET / "nnUNetTrainer__nnUNetPlans__3d_fullres"
    nnplug("model", "export-nnunet", bundle, "-o", results, check=True)
    shutil.copytree(raw / "imagesTs", tmp_path / "new_images")
    nnplug("predict", "-i", raw / "imagesTs", "-o", tmp_path / "nnunet_predictions", "-m", bundle, check=True)
    follow("trained-model")
    summary = json.loads((tmp_path / "same.json").read_text())
    assert summary["foreground_mean"]["Dice"] == 1
