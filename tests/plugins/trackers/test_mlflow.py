"""What MLflow refuses is sent in another form."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest

from nnplug.contracts import LogLine, TrackedRun
from nnplug_trackers.mlflow_tracker import MlflowTracker

from . import reading

ID = "00ff00ff00ff00ff"


def send(folder, epochs, *, parameters, classes=("organ",), finished=True):
    """Send epochs to a tracker; gives the result of `begin`."""
    tracker = MlflowTracker(uri=(folder / "mlruns").as_uri(), experiment="mine")
    first = tracker.begin(TrackedRun("a/b", ID, folder, parameters, classes))
    for epoch in epochs:
        dice = (0.5,) * len(classes)
        tracker.log_epoch(LogLine(epoch=epoch, learning_rate=0.1, train_loss=1, dice=dice, seconds=1))
    tracker.end(finished=finished)
    return first


def found(folder):
    return reading.by_mlflow((folder / "mlruns").as_uri(), "a/b")


def test_a_parameter_that_an_extension_changes_is_a_tag(tmp_path):
    assert send(tmp_path, range(2), parameters={"epochs": 2, "seed": 1}, finished=False) == 0
    assert found(tmp_path)[1].info.status == "KILLED"
    assert send(tmp_path, range(2, 3), parameters={"epochs": 3, "seed": 1, "loss": None}) == 2
    client, run = found(tmp_path)
    assert run.data.params == {"epochs": "2", "seed": "1", "loss": "null"}
    assert run.data.tags["epochs"] == "3"
    assert "seed" not in run.data.tags
    assert run.info.status == "FINISHED"
    assert client.get_experiment(run.info.experiment_id).name == "mine"
    assert [one.step for one in client.get_metric_history(run.info.run_id, "dice/organ")] == [0, 1, 2]


def test_more_parameters_and_classes_than_a_request_holds(tmp_path):
    classes = tuple(f"organ ({number})" for number in range(1100))
    send(tmp_path, range(1), parameters={f"p{number}": number for number in range(250)}, classes=classes)
    _, run = found(tmp_path)
    assert len(run.data.params) == 250
    assert sum(name.startswith("dice/organ _") for name in run.data.metrics) == 1100
    assert run.data.metrics["learning_rate"] == pytest.approx(0.1)


def test_the_id_of_an_experiment_changes_no_random_state(tmp_path, monkeypatch):
    """An id that begins with zeros is filled with draws of Python's generator."""
    monkeypatch.setattr("mlflow.utils.name_utils.uuid.uuid4", lambda: SimpleNamespace(int=5 * 10**30 + 7, hex="7" * 32))
    state = random.getstate()
    send(tmp_path, range(1), parameters={})
    assert random.getstate() == state


def test_the_variables_give_address_and_experiment_and_options_win(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://variable:5000")
    assert MlflowTracker()._experiment == "nnplug"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "variable")
    one, other = MlflowTracker(), MlflowTracker(uri="http://option:5000", experiment="option")
    assert (one._uri, one._experiment) == ("http://variable:5000", "variable")
    assert (other._uri, other._experiment) == ("http://option:5000", "option")
