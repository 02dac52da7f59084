"""Fixtures that tests of several plugins share."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from functools import partial

import pytest


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def orthanc(tmp_path):
    """`orthanc(PATH)`: the answer of a running Orthanc, as bytes; `.dicom` is its DICOM port, `.url` its address."""
    command = shutil.which("Orthanc") or shutil.which("/usr/sbin/Orthanc")
    if command is None:
        pytest.skip("needs the Debian package orthanc: apt-get install orthanc")
    http, dicom = free_port(), free_port()
    settings = {
        "HttpPort": http,
        "DicomPort": dicom,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "StorageDirectory": str(tmp_path / "store"),
        "IndexDirectory": str(tmp_path / "store"),
        "DicomAlwaysAllowStore": True,
        "Plugins": [],
    }
    (tmp_path / "orthanc.json").write_text(json.dumps(settings))
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen([command, str(tmp_path / "orthanc.json")], stdout=log, stderr=log)

    def ask(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{http}{path}", timeout=20) as answer:
            return answer.read()

    ask.dicom, ask.url = dicom, f"http://127.0.0.1:{http}"
    try:
        for _ in range(150):
            try:
                ask("/system")
                break
            except OSError:
                assert server.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.2)
        yield ask
    finally:
        server.terminate()
        server.wait(20)


NETWORK = "plain-conv-unet"


def _pack(path, *channels, **description):
    import torch
    from safetensors.torch import save_file

    from nnplug.contracts import Topology
    from nnplug.dataset.description import DatasetDescription
    from nnplug.models.bundle import Contents, pack
    from nnplug.registry.components import Kind
    from nnplug.registry.loader import Plugins
    from nnplug.registry.provenance import record

    registry = Plugins().registry
    topology = Topology(strides=((1,) * 3, (2,) * 3), kernel_sizes=((3,) * 3,) * 2, features_per_stage=(4, 8))
    options = json.loads(json.dumps(registry.get(Kind.ARCHITECTURE, NETWORK).load().options_for(topology)))
    raw = {
        "channel_names": {str(number): name for number, name in enumerate(channels)},
        "labels": {"background": 0, "organ": 1, "tumour": 2},
        "numTraining": 2,
        "file_ending": ".nii.gz",
        **description,
    }
    labels = DatasetDescription.from_data(raw, "dataset.json")
    torch.manual_seed(len(channels))
    network = registry.create(Kind.ARCHITECTURE, NETWORK, options)
    weights = network.build(channels=len(channels), outputs=labels.labels.outputs).state_dict()
    save_file(weights, path.with_suffix(".safetensors"))
    providers = record([registry.get(Kind.ARCHITECTURE, NETWORK), registry.get(Kind.NORMALIZER, "zscore")])
    folds = {"0": partial(shutil.copyfile, path.with_suffix(".safetensors"))}
    pack(Contents(_plans(len(channels), options), labels, "3d_fullres", folds, (0, 1, 2), providers), path)
    return path


def _plans(channels, options):
    from nnplug.plans.plans import Choice, Configuration, Normalization, Plans, Resampling

    configuration = Configuration(
        spacing=(1.0, 1.0, 1.0),
        patch_size=(8, 16, 16),
        batch_size=2,
        median_shape=(10.0, 16.0, 14.0),
        normalization=(Normalization(name="zscore", use_mask=False),) * channels,
        resampling=Resampling(),
        batch_dice=False,
        architecture=Choice(name=NETWORK, options=options),
    )
    return Plans(
        dataset="Dataset001_Organs",
        name="nnunet",
        recipe="nnunet",
        choices={},
        transpose_forward=(0, 1, 2),
        transpose_backward=(0, 1, 2),
        median_spacing=(1.0, 1.0, 1.0),
        median_shape=(10.0, 16.0, 14.0),
        intensity={},
        configurations={"3d_fullres": configuration},
    )


@pytest.fixture(scope="session")
def pack_model():
    """`pack_model(PATH, "T1w", labels=..)` packs a 3D model of random weights; keywords change `dataset.json`."""
    return _pack
