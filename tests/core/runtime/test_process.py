"""The process of somebody who imports nnplug is left as it was; that of a command is adapted to its work."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nnplug.runtime import process
from nnplug.runtime.process import Work, prepare_process

LIBRARY = """
import ctypes, faulthandler, locale, logging, os, random, signal, sys, threading, warnings
from pathlib import Path

import matplotlib.figure, numpy as np, SimpleITK, torch
import nnplug, nnplug.inference.folder, nnplug.pipeline.run, nnplug.training.several_devices
from nnplug.dataset.phantom import write_phantom
from nnplug.pipeline.request import RunRequest
from nnplug.preparation.plan_request import PlanRequest
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor
from nnplug.workspace.layout import Workspace


def state():
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "locale": locale.setlocale(locale.LC_ALL),
        "warnings": list(warnings.filters),
        "signals": {s: signal.getsignal(s) for s in signal.valid_signals()},
        "logging": (logging.root.level, list(logging.root.handlers), logging.root.manager.disable),
        "streams": (sys.stdout, sys.stderr, sys.excepthook, threading.excepthook),
        "path": list(sys.path),
        "recursion": sys.getrecursionlimit(),
        "crashes": faulthandler.is_enabled(),
        "random": random.getstate(),
        "numpy": (np.geterr(), repr(np.random.get_state())),
        "itk": (
            SimpleITK.ProcessObject.GetGlobalWarningDisplay(),
            SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads(),
            SimpleITK.ProcessObject.GetGlobalDefaultThreader(),
        ),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "torch": (torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_float32_matmul_precision()),
        "determinism": (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark),
        "torch's draws": torch.get_rng_state().tolist(),
        "sharing": torch.multiprocessing.get_sharing_strategy(),
        "figures": dict(matplotlib.rcParams),
    }


def difference(was, now):
    items = [list(part.items() if isinstance(part, dict) else part) for part in (was, now)]
    return [item for item in items[0] if item not in items[1]], [item for item in items[1] if item not in items[0]]


def load(name, *args, **kwargs):
    assert name is not None, "a setting of the C library is about to be changed"
    return CDLL(name, *args, **kwargs)


parameter = torch.nn.Parameter(torch.zeros(1))
torch.optim.SGD([parameter]).step()  # PyTorch imports its compiler with the first step, which writes to os.environ
torch.set_num_threads(2)
CDLL, ctypes.CDLL = ctypes.CDLL, load
plugins, root = Plugins(), Path(sys.argv[1])
for entry in plugins.registry:  # what libraries change when they are imported is their affair
    entry.load()
before = state()

dataset = write_phantom(root / "Dataset901_Phantom", cases=4, unseen=1, shape=(20, 24, 22))
request = RunRequest(
    dataset=dataset,
    workspace=Workspace(root / "work", dataset.name),
    plan=PlanRequest(
        options={
            "planner": {"base_features": 4, "max_features": 8},
            "plan": {"patch_size": [16, 16, 16], "batch_size": 2},
            "trainer": {"epochs": 1, "iterations_per_epoch": 2, "val_iterations_per_epoch": 1},
        },
        configurations=("3d_fullres",),
    ),
    folds=(0,),
)
nnplug.pipeline.run.run(request, Runtime(plugins, LocalExecutor(2), device="cpu", workers=2))
[run] = (root / "work").glob("*/runs/*/*/fold_0")
predictor = nnplug.Predictor(run, device="cpu", mirroring=False)
predictor.predict_files(*dataset.training_cases()[0].images)

after = state()
assert before.keys() == after.keys()
for name, was in before.items():
    assert after[name] == was, f"{name}: {difference(was, after[name])}"
"""


@pytest.mark.slow
def test_training_and_predicting_change_nothing_of_the_callers_process(tmp_path):
    command = [sys.executable, "-c", LIBRARY, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


ITK = """
import sys
from SimpleITK import ProcessObject
from nnplug.runtime.process import Work, prepare_process
ProcessObject.GlobalWarningDisplayOn()
prepare_process(Work[sys.argv[1]])
print(ProcessObject.GetGlobalWarningDisplay(), 'torch' in sys.modules)
"""


@pytest.mark.parametrize("work", Work)
def test_itk_is_silent_where_nnplug_owns_the_process(work):
    command = [sys.executable, "-c", ITK, work.name]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False False\n"


@pytest.mark.parametrize(
    ("work", "kept", "spared"), [(Work.READ_IMAGES, 0, 0), (Work.COMPUTE, 1, 0), (Work.PREDICT, 0, 1)]
)
def test_the_allocator_is_adapted_to_the_work(monkeypatch, work, kept, spared):
    calls = []
    monkeypatch.setattr(process, "keep_freed_memory", lambda: calls.append("keep"))
    monkeypatch.setattr(process, "spare_page_faults", lambda: calls.append("spare"))
    environment = dict(os.environ)
    prepare_process(work)
    assert (calls.count("keep"), calls.count("spare")) == (kept, spared)
    assert dict(os.environ) == environment


def test_a_crash_writes_where_each_thread_was():
    code = "import os; from nnplug.runtime.process import *; prepare_process(Work.READ_IMAGES); os.abort()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode < 0
    assert "Fatal Python error: Aborted" in done.stderr
    assert 'File "<string>", line 1' in done.stderr
