"""Trackers receive every epoch once; whatever they do, the training is the same to the bit."""

from __future__ import annotations

import csv
import threading
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from nnplug.contracts import LogLine, append_log, read_log
from nnplug.dataset.description import DatasetDescription
from nnplug.dataset.phantom import write_phantom
from nnplug.errors import InvalidOptions, UnknownComponent
from nnplug.pipeline.request import RunRequest, Step
from nnplug.pipeline.run import run
from nnplug.plans.plans import Choice, read_plans
from nnplug.preparation.make_plans import with_options
from nnplug.preparation.plan_request import PlanRequest
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.files import remove_folder
from nnplug.runtime.progress import Silent
from nnplug.training.job import TrainingJob
from nnplug.training.trackers import tracking
from nnplug.training.trackers.choose_trackers import chosen_trackers
from nnplug.training.trackers.follower import Sent
from nnplug.training.train import train
from nnplug.workspace.layout import Workspace

TINY = {
    "planner": {"base_features": 4, "max_features": 8},
    "plan": {"patch_size": [16, 16, 16], "batch_size": 2},
    "trainer": {"epochs": 3, "iterations_per_epoch": 2, "val_iterations_per_epoch": 1},
}
PLUGIN = """
    import threading, time

    GATE = threading.Event()
    CALLS = []

    class Recorder:
        def begin(self, run):
            self.run = run
            CALLS.append(("begin", run.sent))
            return run.sent
        def log_epoch(self, line):
            CALLS.append(("epoch", line.epoch))
        def log_picture(self, name, path):
            CALLS.append(("picture", name, path.stat().st_size > 0))
        def log_model(self, folder):
            CALLS.append(("model", (folder / "weights_final.safetensors").exists()))
        def end(self, *, finished):
            CALLS.append(("end", finished))

    class NoBegin(Recorder):
        def begin(self, run):
            raise ConnectionRefusedError(111, "no server at http://lab:5000")

    class Exits(Recorder):
        def log_epoch(self, line):
            raise SystemExit(3)

    class Words(Recorder):
        def begin(self, run):
            return "all"

    class Negative(Recorder):
        def begin(self, run):
            return -1

    class Hangs(Recorder):
        def log_epoch(self, line):
            GATE.wait(60)
            super().log_epoch(line)

    class Fragile(Recorder):
        def __init__(self):
            raise RuntimeError("no licence")

    def entry(name):
        return TrackerComponent(name.lower(), f"fake_nnplug_t:{name}", "")

    @hookimpl
    def nnplug_trackers():
        yield from map(entry, ["Recorder", "Exits", "Words", "Negative", "Hangs", "Fragile"])
        yield TrackerComponent("no-begin", "fake_nnplug_t:NoBegin", "")
        yield TrackerComponent("absent", "fake_nnplug_t_absent:Tracker", "")
"""


class Heard(Silent):
    def __init__(self):
        self.lines = []

    def notice(self, message):
        self.lines.append(f"notice: {message}")

    def warning(self, message):
        self.lines.append(f"warning: {message}")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw") / "Dataset901_Phantom"
    dataset = write_phantom(folder, cases=4, unseen=0, shape=(20, 24, 22))
    request = RunRequest(
        dataset=dataset,
        workspace=Workspace(tmp_path_factory.mktemp("work"), dataset.name),
        plan=PlanRequest(options=TINY, configurations=("3d_fullres",)),
        folds=(0,),
        until=Step.PREPROCESS,
    )
    run(request, Runtime(Plugins(), LocalExecutor(1), "cpu", workers=1))
    return TrainingJob(request.workspace, dataset, read_plans(request.workspace.plans("nnunet")), "3d_fullres", 0)


@pytest.fixture(scope="module")
def without(prepared):
    """The weights and losses of a training without trackers."""
    train(prepared, Runtime(Plugins(), LocalExecutor(1), "cpu", workers=1))
    found = load_file(prepared.run.final_weights), [line.train_loss for line in read_log(prepared.run.log)]
    assert not list(prepared.run.path.glob("tracker_*"))
    remove_folder(prepared.run.path)
    return found


@pytest.fixture
def plugin(install):
    """The module of a plugin with sound and broken trackers."""
    install("nnplug-t", "t", PLUGIN)
    import fake_nnplug_t

    fake_nnplug_t.CALLS.clear()
    fake_nnplug_t.GATE.clear()
    yield fake_nnplug_t
    fake_nnplug_t.GATE.set()


@pytest.fixture
def job(prepared):
    """A job whose run is removed afterwards."""
    yield prepared
    remove_folder(prepared.run.path)


def start(job, *names, **options):
    heard = Heard()
    trackers = chosen_trackers(names, options)
    train(replace(job, trackers=trackers), Runtime(Plugins(), LocalExecutor(1), "cpu", workers=1, progress=heard))
    return heard.lines


def same_as(without, job):
    weights, losses = without
    now = load_file(job.run.final_weights)
    assert [line.train_loss for line in read_log(job.run.log)] == losses
    return set(now) == set(weights) and all(torch.equal(now[name], weights[name]) for name in weights)


WHOLE = [("epoch", 0), ("epoch", 1), ("epoch", 2), ("picture", "progress", True), ("model", True), ("end", True)]


def test_a_tracker_gets_the_whole_training_and_changes_no_bit(job, plugin, without):
    assert start(job, "recorder") == []
    assert [("begin", 0), *WHOLE] == plugin.CALLS
    assert same_as(without, job)
    assert Sent.read(job.run.tracker("recorder")) == Sent(epochs=3, model_epochs=3)


def test_a_finished_run_is_sent_once_also_afterwards(job, plugin):
    start(job)
    start(job, "recorder")
    assert [("begin", 0), *WHOLE] == plugin.CALLS
    start(job, "recorder")
    assert [("begin", 0), *WHOLE] == plugin.CALLS


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("no-begin", "tracker 'no-begin' from nnplug-t 1.0 failed: no server at http://lab:5000"),
        ("exits", "tracker 'exits' from nnplug-t 1.0 failed: SystemExit: 3 (fake_nnplug_t.py, line "),
        ("words", "tracker 'words' from nnplug-t 1.0 gave str instead of int"),
        ("negative", "tracker 'negative' from nnplug-t 1.0 gave -1 epochs from begin; expected a number from 0 on"),
        ("fragile", "tracker 'fragile' from nnplug-t 1.0 failed: RuntimeError: no licence"),
        ("absent", "tracker 'absent' from nnplug-t 1.0 cannot be imported (fake_nnplug_t_absent:Tracker: "),
    ],
)
def test_a_tracker_that_fails_costs_one_warning(job, plugin, without, name, fault):
    (line,) = start(job, name, "recorder")
    assert line.startswith(f"warning: {fault}")
    assert "The training continues without it" in line
    assert same_as(without, job)
    assert [("begin", 0), *WHOLE] == plugin.CALLS or name == "exits"
    assert ("model", True) in plugin.CALLS


def test_a_tracker_that_hangs_costs_a_warning_and_gets_the_rest_later(job, plugin, without, monkeypatch):
    monkeypatch.setattr(tracking, "PATIENCE", 0.2)
    notice, line = start(job, "hangs")
    assert notice == "notice: tracker 'hangs' from nnplug-t 1.0 is still receiving; it has at most 0 s"
    assert line == (
        "warning: tracker 'hangs' from nnplug-t 1.0 has not received everything after 0 s; "
        "the same command sends it the rest"
    )
    assert same_as(without, job)
    assert plugin.CALLS == [("begin", 0)]
    plugin.GATE.set()
    for thread in threading.enumerate():
        if thread.name == "tracker hangs":
            thread.join(30)
    assert [("begin", 0), *WHOLE] == plugin.CALLS


def test_after_a_stop_every_epoch_is_sent_once(job, plugin, without, tmp_path):
    class Stop(Heard):
        """Ctrl-C in the second epoch."""

        def task(self, title, total, *, done=0):
            from contextlib import contextmanager

            @contextmanager
            def opened():
                def advance(latest):
                    if len(read_log(job.run.log)) == 2:
                        raise KeyboardInterrupt

                yield advance

            return opened()

    trackers = chosen_trackers(["recorder", "csv"], {"csv.folder": str(tmp_path)})
    plugins = Plugins()
    with pytest.raises(KeyboardInterrupt):
        train(replace(job, trackers=trackers), Runtime(plugins, LocalExecutor(1), "cpu", workers=1, progress=Stop()))
    assert plugin.CALLS == [("begin", 0), ("epoch", 0), ("epoch", 1), ("end", False)]
    plugin.CALLS.clear()
    assert start(job, "recorder", "csv", **{"csv.folder": str(tmp_path)}) == []
    assert [("begin", 2), *WHOLE[2:]] == plugin.CALLS
    assert same_as(without, job)
    folder = tmp_path / job.plans.dataset / "nnunet" / "3d_fullres" / "fold_0"
    with (folder / "epochs.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert [float(row["train_loss"]) for row in rows] == without[1]
    assert (folder / "progress.png").read_bytes() == job.run.curves.read_bytes()


def test_an_extension_sends_its_own_epochs(job, plugin):
    start(job, "recorder")
    plugin.CALLS.clear()
    plans = with_options(job.plans, {"trainer": {"epochs": 4}}, registry=Plugins().registry)
    start(replace(job, plans=plans), "recorder")
    assert [("begin", 3), ("epoch", 3), *WHOLE[3:]] == plugin.CALLS


def test_parameters_are_the_decisions_of_the_plans(job, tmp_path):
    start(job, "csv")
    with (job.run.path / "parameters.csv").open() as table:
        found = dict(csv.reader(table))
    assert found["batch_size"] == "2"
    assert found["patch_size"] == "[16, 16, 16]"
    assert found["trainer"] == "nnunet"
    assert found["trainer.epochs"] == "3"
    assert found["architecture"] == "plain-conv-unet"
    assert found["normalization.0.name"] == "zscore"
    assert found["fold"] == "0"
    assert len(found["id"]) == 16


def test_classes_have_the_order_of_the_outputs_whatever_that_of_dataset_json(job):
    """The pseudo Dice of an epoch is in the order of the outputs: a tracker would give it to another class."""
    labels = dict(reversed(job.dataset.description.raw["labels"].items()))
    description = DatasetDescription.from_data({**job.dataset.description.raw, "labels": labels}, "dataset.json")
    turned = replace(job, dataset=replace(job.dataset, description=description))
    start(job, "csv")
    assert turned.training_description.labels.keys == ("2", "1")
    assert tracking._run(turned, 0).classes == ("1", "2")


def test_a_table_that_a_kill_cut_short_goes_on(job):
    start(job, "csv")
    table = job.run.path / "epochs.csv"
    whole = table.read_text()
    table.write_text(whole[: -len(whole.splitlines()[-1]) // 2])  # the last row in part, as a kill leaves it
    Sent(epochs=3).write(job.run.tracker("csv"))
    start(job, "csv")
    assert table.read_text() == whole


def test_the_users_mistakes_are_errors_before_the_training(job):
    with pytest.raises(UnknownComponent, match="no tracker is called 'cvs'. Did you mean 'csv'"):
        start(job, "cvs")
    with pytest.raises(InvalidOptions, match="folder"):
        start(job, "csv", **{"csv.folders": "x"})
    assert not job.run.log.exists()
    with pytest.raises(InvalidOptions, match="tracker.folder is set, but no tracker is named"):
        chosen_trackers([], {"folder": "x"})
    with pytest.raises(InvalidOptions, match="tracker.mlflow.uri is set, but no tracker 'mlflow' is named"):
        chosen_trackers(["csv"], {"mlflow.uri": "x"})


def test_options_are_those_of_all_trackers_or_of_one():
    assert chosen_trackers(["a", "b", "a"], {"x": 1, "b.x": 2}) == (
        Choice(name="a", options={"x": 1}),
        Choice(name="b", options={"x": 2}),
    )


def test_a_log_can_be_read_from_an_epoch_on(tmp_path):
    log = tmp_path / "log.jsonl"
    for epoch in range(3):
        append_log(log, LogLine(epoch=epoch, learning_rate=0.1, train_loss=1.0, seconds=1.0))
    assert [line.epoch for line in read_log(log, first=1)] == [1, 2]
    assert read_log(log, first=5) == []
