"""Prediction and training take the installed accelerator unless it is blocked, and another one besides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nnplug import Plugins
from nnplug.contracts import Workload
from nnplug.models.acceleration import accelerated, accelerators
from nnplug.runtime.progress import Silent
from nnplug.testing.trainings import Setting, make_task
from nnplug_cpu.layers import WinogradConv3d
from nnplug_nnunet.training.loop import Training
from nnplug_nnunet.training.trainer import NnUNetTrainer

CPU = torch.device("cpu")

FIRST = """
    from nnplug import AcceleratorComponent

    @hookimpl
    def nnplug_accelerators():
        return [AcceleratorComponent("aa", "fake_nnplug_first:First", "counts what it is asked")]

    class First:
        asked = []

        def accelerate(self, network, workload):
            self.asked.append(workload.purpose)
            return network if workload.purpose == "prediction" else None
"""


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv3d(2, 4, 3, padding=1), torch.nn.ReLU())


def faster(plugins, purpose="training"):
    return accelerated(network(), Workload(CPU, purpose), registry=plugins.registry, progress=Silent())


def test_it_is_installed_and_taken():
    assert [entry.name for entry in accelerators(Plugins().registry)] == ["cpu", "cuda"]
    assert type(faster(Plugins())[0]) is WinogradConv3d


def test_blocked_the_network_stays_and_gives_the_same():
    plugins, image = Plugins(block=["cpu"]), torch.randn(1, 2, 8, 8, 8)
    assert type(faster(plugins)[0]) is torch.nn.Conv3d
    torch.testing.assert_close(faster(plugins)(image), faster(Plugins())(image), rtol=1e-4, atol=1e-5)


def test_another_one_with_an_earlier_name_is_asked_first(install):
    install("nnplug-first", "first", FIRST)
    plugins = Plugins()
    assert [type(faster(plugins, purpose)[0]) for purpose in ("training", "prediction")] == [
        WinogradConv3d,
        torch.nn.Conv3d,
    ]
    entry = plugins.registry.get(accelerators(plugins.registry)[0].kind, "aa")
    assert entry.load().asked == ["training", "prediction"]


@pytest.mark.parametrize(("precision", "asked"), [("float32", None), ("bfloat16", torch.bfloat16)])
def test_the_trainer_asks_with_its_device_and_precision(tmp_path: Path, precision, asked):
    workloads = []

    def accelerate(network, workload):
        workloads.append(workload)
        return network

    Training(NnUNetTrainer(precision=precision), replace(make_task(tmp_path, Setting(axes=3)), accelerate=accelerate))
    assert workloads == [Workload(CPU, "training", asked)]
