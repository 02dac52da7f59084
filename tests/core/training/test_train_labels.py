"""Training end to end where labels are unusual: an ignore label, regions, both, 2D, and fold all."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nnplug.dataset.phantom import write_phantom
from nnplug.io.images import read_label, write_label
from nnplug.pipeline.request import RunRequest, Step
from nnplug.pipeline.run import run
from nnplug.preparation.plan_request import PlanRequest
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.json_files import read_json
from nnplug.workspace.layout import Workspace
from nnplug.workspace.run_record import RunRecord

CLASSES = {"background": 0, "body": 1, "cap": 2}
REGIONS = {"background": 0, "organ": [1, 2], "cap": [2]}
KINDS = {
    "classes": (CLASSES, {}),
    "ignore": (CLASSES | {"ignore": 3}, {}),
    "regions": (REGIONS, {"regions_class_order": [1, 2]}),
    "regions-ignore": (REGIONS | {"ignore": 3}, {"regions_class_order": [1, 2]}),
}
TINY = {
    "planner": {"base_features": 4, "max_features": 8},
    "plan": {"batch_size": 2},
    "trainer": {"epochs": 1, "iterations_per_epoch": 2, "val_iterations_per_epoch": 1},
}
PATCHES = {"2d": [16, 16], "3d_fullres": [16, 16, 16]}


def make_dataset(folder, kind):
    """Phantoms; with an ignore label all but every fourth slice is left unannotated."""
    dataset = write_phantom(folder, cases=3, unseen=0, shape=(20, 24, 22))
    labels, more = KINDS[kind]
    if "ignore" in kind:
        for case in dataset.training_cases():
            label = read_label(case.label)
            hidden = label.array.copy()
            hidden[np.arange(len(hidden)) % 4 != 0] = 3
            write_label(case.label, hidden, label.geometry)
    raw = {**dataset.description.raw, "labels": labels, **more}
    (folder / "dataset.json").write_text(json.dumps(raw))
    return type(dataset).open(folder)


@pytest.mark.parametrize(
    ("kind", "configuration", "fold"),
    [("ignore", "3d_fullres", 0), ("regions-ignore", "3d_fullres", "all"), ("regions-ignore", "2d", 0)],
)
def test_a_model_comes_out(kind, configuration, fold, tmp_path):
    dataset = make_dataset(tmp_path / "Dataset903_Labels", kind)
    request = RunRequest(
        dataset=dataset,
        workspace=Workspace(tmp_path / "work", dataset.name),
        plan=PlanRequest(
            options=TINY | {"plan": TINY["plan"] | {"patch_size": PATCHES[configuration]}},
            configurations=(configuration,),
        ),
        folds=(fold,),
        until=Step.VALIDATE,
        mirroring=False,
    )
    outcome = run(request, Runtime(Plugins(), LocalExecutor(1), "cpu", workers=1))
    (summary,) = outcome.scores.values()
    folder = request.workspace.run("nnunet", configuration, fold)
    (epoch,) = [json.loads(line) for line in folder.log.read_text().splitlines()]
    assert np.isfinite([epoch["train_loss"], epoch["val_loss"]]).all()
    assert len(epoch["dice"]) == 2
    record = RunRecord.read(folder.record)
    assert (record.validation == record.training) == (fold == "all")
    for case in summary["metric_per_case"]:
        label = read_label(next(c.label for c in dataset.training_cases() if c.label.name in case["reference_file"]))
        predicted = read_label(folder.validation / label_name(case))
        assert set(np.unique(predicted.array)) <= {0, 1, 2}
        counts = next(iter(case["metrics"].values()))
        annotated = np.count_nonzero(label.array != 3)
        assert counts["TP"] + counts["FP"] + counts["FN"] + counts["TN"] == annotated < label.array.size
    assert read_json(folder.validation / "summary.json").keys() == summary.keys()


def label_name(case):
    return case["prediction_file"].rpartition("/")[2]
