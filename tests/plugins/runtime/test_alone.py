"""The wheel of the runtime predicts in an environment that has its dependencies alone: no PyTorch, no nnplug."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from nnplug.io.images import read_label
from nnplug_cli.main import main as nnplug

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "export.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
pytestmark = pytest.mark.slow  # minutes: a wheel, an environment, and PyTorch's exporter for five networks


def dependencies(name, found=None):
    """Return the distributions that a distribution needs, with theirs."""
    found = {} if found is None else found
    for line in metadata.requires(name) or ():
        if "extra ==" not in line:
            needed = re.split(r"[<>=!~ \[;(]", line, maxsplit=1)[0]
            if needed not in found:
                found[needed] = metadata.distribution(needed)
                dependencies(needed, found)
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Run a command line in the environment; it must succeed."""
    folder = tmp_path_factory.mktemp("alone")
    venv.create(folder / "environment", with_pip=False, symlinks=True)
    python = folder / "environment" / "bin" / "python"
    site = next((folder / "environment" / "lib").glob("python*/site-packages"))
    for one in dependencies("nnplug-runtime").values():
        for top in {Path(file).parts[0] for file in one.files or ()} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(one.locate_file(top))
    pip, quiet = [sys.executable, "-m", "pip"], ["--quiet", "--no-deps", "--no-index"]
    source = ROOT / "plugins" / "runtime"
    subprocess.run([*pip, "wheel", *quiet, "--no-build-isolation", "-w", folder, source], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "--python", python, "install", *quiet, wheel], check=True)
    variables = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}

    def run(*words, code=0):
        done = subprocess.run([*map(str, words)], env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return done

    return run


def test_the_environment_has_neither_pytorch_nor_nnplug(alone):
    for module in ("torch", "nnplug", "nnplug_export", "onnx", "msgspec"):
        assert f"No module named '{module}'" in alone("python", "-c", f"import {module}", code=1).stderr
    modules = alone("python", "-c", "import nnplug_runtime.ops.resample as r; print(r.__file__)").stdout
    assert "environment" in modules  # a wheel has the files that are links in the repository


def model(models, tmp_path, kind):
    """Return a bundle of one kind, with the shape and spacing (mm) of an image for it."""
    if kind == "2D":
        return models.bundle(tmp_path, patch=(16, 16), plan={"transpose": (0, 1, 2)}), (6, 40, 37), (3.0, 0.8, 1.3)
    if kind == "3D":
        return models.bundle(tmp_path, patch=(16, 16, 16), folds=2), (30, 28, 33), (1.0, 0.8, 1.3)
    if kind == "regions":
        return models.bundle(tmp_path, labels=models.REGIONS, use_mask=True), (20, 18, 23), (1.0, 0.8, 1.3)
    if kind == "cascade":
        return models.cascade(tmp_path), (20, 18, 23), (1.0, 1.2, 0.8)
    plan = {"transpose": (2, 0, 1), "median_spacing": (5.0, 1.0, 1.0)}
    fields = {"spacing": (5.0, 1.0, 1.0), "patch": (8, 16, 16), "normalization": ("ct",), "plan": plan}
    return models.bundle(tmp_path, **fields), (40, 33, 12), (0.7, 0.8, 6.0)


@pytest.mark.parametrize("kind", ["2D", "3D", "anisotropic CT", "regions", "cascade"])
def test_labels_are_those_of_nnplug(alone, models, write_images, blobs, tmp_path, kind):
    """The commands are those of docs/export.md."""
    bundle, shape, spacing = model(models, tmp_path, kind)
    images = write_images("a", blobs(shape), spacing=spacing)
    places = {"MODEL": bundle, "EXPORTED": tmp_path / "exported", "IMAGES": images, "OUT": tmp_path / "out"}
    lines = [line for line in COMMANDS if line.startswith(("nnplug model export-onnx", "nnplug-runtime"))]
    export, predict, faster = (re.sub(r"\b[A-Z]+\b", lambda m: str(places[m[0]]), line) for line in lines)
    result = CliRunner().invoke(nnplug, shlex.split(export)[1:])
    assert result.exit_code == 0, result.output
    done = alone(*shlex.split(predict))
    assert done.stdout == f"predictions: {tmp_path / 'out'}\n"
    words = ["predict", "-i", str(images), "-o", str(tmp_path / "theirs"), "-m", str(bundle), "--device", "cpu"]
    assert CliRunner().invoke(nnplug, words).exit_code == 0
    ours, theirs = (read_label(tmp_path / name / "a.nii.gz") for name in ("out", "theirs"))
    assert ours.geometry == theirs.geometry
    assert np.mean(ours.array == theirs.array) >= 0.9999
    assert alone(*shlex.split(faster)).stdout == done.stdout
    assert np.count_nonzero(np.bincount(theirs.array.ravel()) > 0.02 * theirs.array.size) > 1


def test_help_and_faults_without_nnplug(alone, tmp_path):
    assert "--no-mirroring" in alone("nnplug-runtime", "predict", "--help").stdout
    assert alone("nnplug-runtime", "--version").stdout.strip() == metadata.version("nnplug-runtime")
    done = alone("nnplug-runtime", "predict", "-i", tmp_path, "-o", tmp_path / "out", "-m", tmp_path, code=1)
    assert len(done.stderr.splitlines()) == 1
