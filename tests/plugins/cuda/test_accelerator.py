import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch import nn

from nnplug.contracts import Workload
from nnplug_cuda.accelerator import CudaAccelerator

HALF = Workload(torch.device("cuda"), "training", torch.float16)
ROUNDING = 1e-5


@pytest.fixture(scope="module")
def compared():
    """The errors of two networks, computed by Triton's interpreter."""
    return interpreted("plain 2D", "residual 2D")


def interpreted(*networks):
    if find_spec("triton") is None:
        pytest.skip("Triton is not installed; PyTorch for CPUs does not bring it")
    command = [sys.executable, Path(__file__).with_name("interpreted.py"), *networks]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", ["plain", "residual"])
def test_a_faster_network_computes_the_same(compared, kind):
    check(compared[f"{kind} 2D"], 2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "residual"])
def test_a_faster_network_of_volumes_computes_the_same(kind):
    check(interpreted(f"{kind} 3D")[f"{kind} 3D"], 3)


def check(found, axes):
    assert max(found["logits"], found["predicted"], found["gradient"]) < ROUNDING
    assert found["names"]
    norms = {name for name in found["layers"] if "Norm" in name}
    assert norms == {f"FusedNorm{axes}d"}
    assert f"UnbiasedConv{axes}d" in found["layers"]


@pytest.mark.parametrize(
    ("workload", "capability"),
    [
        (Workload(torch.device("cpu"), "training", torch.bfloat16), (9, 0)),
        (Workload(torch.device("cuda"), "training", None), (9, 0)),
        (HALF, (6, 1)),
    ],
)
def test_other_devices_and_float32_stay_as_they_are(workload, capability):
    network = nn.Sequential(nn.Conv3d(1, 2, 3), nn.InstanceNorm3d(2, affine=True))
    with mock.patch("torch.cuda.get_device_capability", return_value=capability):
        assert CudaAccelerator().accelerate(network, workload) is None


def test_without_triton_a_network_stays_as_it_is():
    network = nn.Sequential(nn.Conv3d(1, 2, 3), nn.InstanceNorm3d(2, affine=True))
    with (
        mock.patch("torch.cuda.get_device_capability", return_value=(9, 0)),
        mock.patch("nnplug_cuda.accelerator.find_spec", return_value=None),
    ):
        assert CudaAccelerator().accelerate(network, HALF) is None
    assert type(network[1]) is nn.InstanceNorm3d


@pytest.mark.slow
def test_kernels_are_compared_with_pytorch_on_the_device():
    right, wrong = interpreted()["fault"]
    assert right is None
    assert wrong.startswith("the norm differs by 0.")
    assert wrong.endswith("from PyTorch's on cpu")
