"""docs/monai-and-slicer.md: a model is exported, and predicts when called as the extension SlicerNNUnet calls it."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from nnplug.io.images import read_label
from nnplug_cli.main import main

BIN = Path(sys.executable).parent
PAGE = Path(__file__).parents[3] / "docs" / "monai-and-slicer.md"
EXPORT, PREDICT = re.findall(r"```sh\n(.*)\n```", PAGE.read_text())


@pytest.fixture(scope="module")
def reference(shared):
    return shared / "reference" / "models" / "hippocampus"


@pytest.fixture(scope="module")
def places(reference, tmp_path_factory):
    """The words of the page in capitals -> paths; the folder RESULTS has the exported model."""
    root = tmp_path_factory.mktemp("slicer")
    places = {"MODEL": root / "model.zip", "RESULTS": root / "results", "IN": root / "input", "OUT": root / "output"}
    nnplug("model", "import-nnunet", reference / "model", "-o", places["MODEL"])
    nnplug(*words(EXPORT, places))
    return places


def nnplug(*words):
    result = CliRunner().invoke(main, list(map(str, words)))
    assert result.exit_code == 0, result.output


def words(line, places):
    """Return the arguments of a line, with the page's words in capitals replaced by paths."""
    names = "|".join(places)
    return [re.sub(rf"^({names})\b", lambda m: str(places[m[0]]), word) for word in shlex.split(line)[1:]]


def test_both_checkpoints_hold_the_weights(places):
    (fold,) = places["RESULTS"].glob("Dataset004_Hippocampus/nnUNetTrainer__nnUNetPlans__3d_bs2/fold_0")
    final, best = (fold / f"checkpoint_{name}.pth" for name in ("final", "best"))
    assert final.read_bytes() == best.read_bytes()


def test_the_call_of_the_extension_predicts_what_nnplug_predicts(places, reference, tmp_path):
    """As the extension does: all three variables name one folder, the image is volume_0000, one file comes back."""
    image = reference / "images" / "hippocampus_001_0000.nii.gz"
    places["IN"].mkdir()
    places["OUT"].mkdir()
    shutil.copy(image, places["IN"] / "volume_0000.nii.gz")
    variables = {f"nnUNet_{name}": str(places["RESULTS"]) for name in ("raw", "preprocessed", "results")}
    command = [BIN / "nnUNetv2_predict", *words(PREDICT, places)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (written,) = places["OUT"].rglob("*.nii*")
    nnplug("predict", "-m", places["MODEL"], "-i", image, "-o", tmp_path, "--no-mirroring", "--device", "cpu")
    (ours,) = tmp_path.glob("*.nii.gz")
    assert np.array_equal(read_label(written).array, read_label(ours).array)
