"""Seconds of one stage without the start of a command: PYTHON bench/peers/stage.py DATASET WORKSPACE EXECUTOR WORKERS.

Preprocesses a planned dataset into an empty store, as `nnplug preprocess -c 3d_fullres` does; its workers are started
before.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

from nnplug import Kind, Plugins
from nnplug.dataset.dataset import Dataset
from nnplug.plans.plans import read_plans
from nnplug.preparation.preprocess import preprocess_dataset
from nnplug.registry.runtime import Runtime
from nnplug.runtime.process import Work, prepare_process
from nnplug.workspace.layout import Workspace

CONFIGURATION = "3d_fullres"


def main(folder: str, root: str, name: str, workers: str) -> None:
    """Print {"seconds": ..}."""
    prepare_process(Work.COMPUTE)
    dataset, plugins = Dataset.open(Path(folder)), Plugins()
    workspace = Workspace(Path(root), dataset.name)
    plans = read_plans(workspace.plans("nnunet"))
    store = workspace.preprocessed(plans.name, CONFIGURATION)
    executor = plugins.registry.create(Kind.EXECUTOR, name, {"workers": int(workers)})
    list(executor.map(ready, range(8 * int(workers)), stage="start"))
    shutil.rmtree(store, ignore_errors=True)
    started = time.perf_counter()
    preprocess_dataset(dataset, plans, CONFIGURATION, store, Runtime(plugins, executor))
    print(json.dumps({"seconds": time.perf_counter() - started}))
    executor.close()


def ready(index: int) -> int:
    """Import what the stage needs, in a worker, before the clock starts."""
    import nnplug.preparation.preprocess  # noqa: F401 - in the worker's process

    time.sleep(0.1)  # so that no worker does the others' share
    return index


if __name__ == "__main__":
    main(*sys.argv[1:])
