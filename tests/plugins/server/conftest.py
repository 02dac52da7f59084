"""Bundles of random weights, the real command `nnplug serve` with them, and the unmodified client of MONAI Label."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from shutil import copyfile

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from nnplug.contracts import Topology
from nnplug.dataset.description import DatasetDescription
from nnplug.io.images import read_label
from nnplug.models.bundle import Contents, pack
from nnplug.plans.plans import Choice, Configuration, Normalization, Plans, Resampling
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug.registry.provenance import record
from nnplug_cli.main import main

# An environment that was made before nnplug-server lacks its libraries.
collect_ignore_glob = [] if find_spec("nnplug_server") and find_spec("fastapi") else ["test_*.py"]

NNPLUG = str(Path(sys.executable).parent / "nnplug")
LABELS = {"background": 0, "organ": 1, "tumour": 2}
MONAILABEL = "monailabel==0.8.5"
FAST = ("--device", "cpu", "--no-mirroring", "--step-size", "1")
"""The options with which tests serve and predict."""


def _pack(path: Path, channels: int, labels: dict[str, object]) -> Path:
    registry = Plugins().registry
    topology = Topology(strides=((1,) * 3, (2,) * 3), kernel_sizes=((3,) * 3,) * 2, features_per_stage=(4, 8))
    entry = registry.get(Kind.ARCHITECTURE, "plain-conv-unet")
    options = json.loads(json.dumps(entry.load().options_for(topology)))
    configuration = Configuration(
        spacing=(3.0, 1.5, 1.25),
        patch_size=(8, 16, 16),
        batch_size=2,
        median_shape=(15.0, 40.0, 44.0),
        normalization=(Normalization(name="zscore", use_mask=False),) * channels,
        resampling=Resampling(),
        batch_dice=False,
        architecture=Choice(name="plain-conv-unet", options=options),
    )
    plans = Plans(
        dataset="Dataset001_Organs",
        name="nnunet",
        recipe="nnunet",
        choices={},
        transpose_forward=(0, 1, 2),
        transpose_backward=(0, 1, 2),
        median_spacing=(3.0, 1.5, 1.25),
        median_shape=(15.0, 40.0, 44.0),
        intensity={},
        configurations={"3d_fullres": configuration},
    )
    regions = {"regions_class_order": [1, 2]} if any(isinstance(value, list) for value in labels.values()) else {}
    raw = {
        "channel_names": {str(c): f"MR{c}" for c in range(channels)},
        "labels": labels,
        "numTraining": 2,
        "file_ending": ".nii.gz",
        **regions,
    }
    description = DatasetDescription.from_data(raw, "dataset.json")
    torch.manual_seed(channels)
    network = registry.create(Kind.ARCHITECTURE, "plain-conv-unet", options).build(
        channels=channels, outputs=description.labels.outputs
    )
    save_file(network.state_dict(), path.with_suffix(".safetensors"))
    pack(
        Contents(
            plans=plans,
            description=description,
            configuration="3d_fullres",
            folds={"0": partial(copyfile, path.with_suffix(".safetensors"))},
            mirror_axes=(0, 1, 2),
            providers=record([entry, registry.get(Kind.NORMALIZER, "zscore")]),
        ),
        path,
    )
    return path


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of one channel with the labels organ and tumour."""
    return _pack(tmp_path_factory.mktemp("bundle") / "organs.zip", 1, LABELS)


@pytest.fixture(scope="session")
def two_channels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two channels with regions."""
    return _pack(tmp_path_factory.mktemp("bundle") / "regions", 2, {"background": 0, "whole": [1, 2], "core": 2})


def _voxels(seed: int, shape: tuple[int, ...] = (15, 40, 44)) -> np.ndarray:
    """Noise with a bright ball, so that the labels of random weights differ from place to place."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    ball = (x - 0.1 * seed) ** 2 + y**2 + z**2 < 0.3
    return (np.random.default_rng(seed).normal(0, 60, shape) + 400 * ball).astype(np.int16)


WriteImage = Callable[..., Path]


@pytest.fixture(scope="session")
def write_image() -> WriteImage:
    """`write_image(PATH, seed=1)`: an image of noise and a ball, oblique, in the format of the path's ending."""

    def write(path: Path, seed: int = 0, shape: tuple[int, ...] = (15, 40, 44)) -> Path:
        image = sitk.GetImageFromArray(_voxels(seed, shape))
        image.SetSpacing((1.25, 1.5, 3.0))
        image.SetOrigin((5.0, -3.0, 7.0))
        image.SetDirection((0.8, 0.6, 0, -0.6, 0.8, 0, 0, 0, 1))
        path.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(image, str(path))
        return path

    return write


@dataclass(frozen=True)
class Answered:
    """The answer to a request."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> dict[str, object]:
        return json.loads(self.body)

    @property
    def detail(self) -> str:
        """The one line of a refusal; no answer holds a traceback."""
        line = self.data["detail"]
        assert "\n" not in line
        assert "Traceback" not in line
        return line


@dataclass(frozen=True)
class Server:
    """A running `nnplug serve`."""

    url: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, path: str, body: bytes | None = None, method: str | None = None, **headers: str) -> Answered:
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, body, own, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return Answered(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            return Answered(error.code, dict(error.headers), error.read())

    def send(
        self, path: str, *files: Path | tuple[str, bytes], method: str = "POST", part: str = "file", **fields: str
    ):
        """Send files and fields as a form; a tuple is the name and the content of a file."""
        content, kind = form(*files, part=part, **fields)
        return self.ask(path, content, method, Content_Type=kind)

    def memory(self, what: str = "VmRSS") -> int:
        """The memory of the server, in bytes; "VmHWM" is the most that it had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(f"{what}:"))

    def left(self) -> list[str]:
        """The temporary files that the server has not removed 10 seconds after its last answers."""
        root = Path(f"/proc/{self.process.pid}/cwd").readlink()
        end = time.monotonic() + 10
        while found := [path.name for kind in ("serve-*/*", "dicom-*") for path in root.glob(f"tmp/nnplug-{kind}")]:
            if time.monotonic() > end:
                break
            time.sleep(0.02)
        return found


def form(*files: Path | tuple[str, bytes], part: str = "file", **fields: str) -> tuple[bytes, str]:
    """The body of a form and its type."""
    lines = []
    for name, value in fields.items():
        lines += [b"--limit", f'Content-Disposition: form-data; name="{name}"'.encode(), b"", value.encode()]
    for file in files:
        name, content = (file.name, file.read_bytes()) if isinstance(file, Path) else file
        head = f'Content-Disposition: form-data; name="{part}"; filename="{name}"'
        lines += [b"--limit", head.encode(), b"Content-Type: application/octet-stream", b"", content]
    return b"\r\n".join([*lines, b"--limit--", b""]), "multipart/form-data; boundary=limit"


@contextmanager
def serving(folder: Path, *words: object, end: signal.Signals = signal.SIGTERM, **variables: str) -> Iterator[Server]:
    """Run `nnplug serve` on a free port, in a folder, until the block ends; the signal must end it without errors."""
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    own = {"TMPDIR": str(folder / "tmp"), "OMP_NUM_THREADS": "1", **variables}
    with (folder / "stderr").open("w") as log:
        process = subprocess.Popen(
            [NNPLUG, "serve", *map(str, words), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=folder,
            env={**os.environ, **own},
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("serving: http://"), (folder / "stderr").read_text()
        yield Server(line.split()[1], process)
        assert process.poll() in (None, 0), (folder / "stderr").read_text()
    finally:
        process.send_signal(end)
        status = process.wait(60)
    assert status == 0, (folder / "stderr").read_text()
    assert "Traceback" not in (folder / "stderr").read_text()
    assert not list((folder / "tmp").iterdir())


@pytest.fixture(scope="session")
def start() -> Callable[..., AbstractContextManager[Server]]:
    """`with start(FOLDER, *WORDS, **VARIABLES) as server`: another server."""
    return serving


@pytest.fixture(scope="session")
def predict() -> Callable[..., None]:
    """`predict(IMAGES, OUT, MODEL)`: run `nnplug predict` with the settings of the servers."""

    def run(images: Path, output: Path, model: Path) -> None:
        words = ("predict", "-i", images, "-o", output, "-m", model, *FAST)
        result = CliRunner().invoke(main, [*map(str, words)])
        assert result.exit_code == 0, result.output

    return run


@pytest.fixture(scope="session")
def predicted(bundle, two_channels, write_image, predict, tmp_path_factory):
    """Images, and the label maps that `nnplug predict` makes of them."""
    folder = tmp_path_factory.mktemp("predicted")
    for seed in (1, 2):
        write_image(folder / "images" / f"case{seed}_0000.nii.gz", seed)
        write_image(folder / "both" / f"case{seed}_0000.nii.gz", seed)
        write_image(folder / "both" / f"case{seed}_0001.nii.gz", seed + 2)
    predict(folder / "images", folder / "one", bundle)
    predict(folder / "both", folder / "two", two_channels)
    assert read_label(folder / "one/case1.nii.gz").array.any()
    return folder


@pytest.fixture(scope="session")
def server(bundle: Path, two_channels: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of both models that several tests use."""
    folder = tmp_path_factory.mktemp("server")
    words = ("-m", bundle, "-m", f"two={two_channels}", *FAST, "--queue", 4, "--max-upload-mb", 64, "--sessions", 2)
    with serving(folder, *words, "--max-image-mb", 40) as running:
        yield running


@pytest.fixture(scope="session")
def monai_client(request: pytest.FixtureRequest) -> Callable[..., object]:
    """`monai_client(URL)`: a client of the unmodified client.py of monailabel 0.8.5."""
    folder = request.config.cache.mkdir("monailabel-0.8.5")
    if not list(folder.glob("*.whl")):
        words = ("-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, MONAILABEL)
        done = subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"needs the client of {MONAILABEL}, which pip does not get: {done.stderr.splitlines()[-1:]}")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extract("monailabel/client/client.py", folder)
    spec = importlib.util.spec_from_file_location("monailabel_client", folder / "monailabel/client/client.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.MONAILabelClient
