"""Images on a cluster: the label maps of this machine, though a worker dies."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from nnplug import Plugins
from nnplug.dataset.case_files import image_cases
from nnplug.dataset.phantom import write_phantom
from nnplug.inference.jobs import predict_cases
from nnplug.inference.options import PredictOptions
from nnplug.io.images import read_label
from nnplug.models.bundle import Contents, pack
from nnplug.preparation.make_plans import make_plans
from nnplug.preparation.measure import measure
from nnplug.preparation.plan_request import PlanRequest
from nnplug.registry.components import Kind
from nnplug.registry.provenance import record
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent


@pytest.fixture
def model(tmp_path):
    """A bundle with random weights, and images for it."""
    plugins = Plugins()
    registry = plugins.registry
    dataset = write_phantom(tmp_path / "Dataset999_Phantom", cases=2, unseen=5, shape=(20, 24, 22))
    fingerprint = measure(
        dataset, registry.create(Kind.EXTRACTOR, "nnunet"), executor=LocalExecutor(1), progress=Silent()
    )
    options = {"planner": {"base_features": 4, "max_features": 8}}
    plans = make_plans(
        fingerprint, dataset.description, PlanRequest(options=options), dataset=dataset.name, plugins=plugins
    )
    choice = plans.configuration("3d_fullres").architecture
    torch.manual_seed(0)
    network = registry.create(Kind.ARCHITECTURE, choice.name, choice.options).build(
        channels=len(dataset.description.channel_names), outputs=dataset.description.labels.outputs
    )
    state = network.state_dict()
    entries = [registry.get(Kind.ARCHITECTURE, choice.name), registry.get(Kind.NORMALIZER, "zscore")]
    contents = Contents(
        plans, dataset.description, "3d_fullres", {"0": lambda file: save_file(state, file)}, (), record(entries)
    )
    pack(contents, tmp_path / "model.zip")
    return tmp_path / "model.zip", image_cases(dataset.folder / "imagesTs", dataset.description.file_ending)


def test_predictions_equal_those_of_this_machine_though_a_worker_dies(mortal_cluster, model, tmp_path):
    bundle, images = model
    chosen = PredictOptions(models=(bundle,))
    predict_cases(images, tmp_path / "here", chosen, Runtime(Plugins(), LocalExecutor(1), "cpu"))
    worker = mortal_cluster.processes[1]

    def kill():
        while not any((tmp_path / "there").glob("*.nii.gz")):
            time.sleep(0.01)
        worker.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    options = {"address": mortal_cluster.address, "resources": {"GPU": 1}}
    with closing(Plugins().registry.create(Kind.EXECUTOR, "dask", options)) as executor:
        assert executor.slots == 2
        predict_cases(images, tmp_path / "there", chosen, Runtime(Plugins(), executor, "cpu"))
    killer.join()
    for case in images:
        ours, theirs = (read_label(tmp_path / f / f"{case.name}.nii.gz").array for f in ("here", "there"))
        np.testing.assert_array_equal(ours, theirs)
        assert ours.any()
