from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from nnplug.contracts import CaseIndex
from nnplug.dataset.dataset import Dataset
from nnplug.dataset.phantom import write_phantom
from nnplug.errors import InvalidOptions, NnplugError, OutOfResources
from nnplug.inference.logits import read_logits
from nnplug.inference.member import LoadedMember
from nnplug.io.images import read_label
from nnplug.models.bundle import write_bundle
from nnplug.models.open import open_model
from nnplug.pipeline.request import RunRequest, Step
from nnplug.pipeline.run import run
from nnplug.plans.differences import training_decisions
from nnplug.preparation.make_plans import transfer_plans, with_options
from nnplug.preparation.plan_request import PlanRequest
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.files import remove_folder
from nnplug.runtime.lock import locked
from nnplug.runtime.progress import Silent
from nnplug.training.extend import begin_extension
from nnplug.training.job import TrainingJob
from nnplug.training.set_aside import set_aside
from nnplug.training.train import train
from nnplug.training.validate import validate
from nnplug.workspace import run_lock
from nnplug.workspace.layout import Workspace
from nnplug.workspace.run_record import RunRecord
from nnplug_nnunet.training import loop
from nnplug_nnunet.training.graphs import choice

PLUGINS = Plugins()
RUNTIME = Runtime(PLUGINS, LocalExecutor(1), "cpu", workers=1)
TINY = {
    "planner": {"base_features": 4, "max_features": 8},
    "plan": {"patch_size": [16, 16, 16], "batch_size": 2},
    "trainer": {"epochs": 2, "iterations_per_epoch": 2, "val_iterations_per_epoch": 1},
}

NOTHING = 1e-30
"""A learning rate that leaves every weight as it was."""


class Heard(Silent):
    def __init__(self):
        self.notices = []

    def notice(self, message):
        self.notices.append(message)


def prepare(dataset, root, configuration="3d_fullres", **options):
    """Plan and preprocess; gives a job for fold 0."""
    request = RunRequest(
        dataset=dataset,
        workspace=Workspace(root, dataset.name),
        plan=PlanRequest(options=TINY | options, configurations=(configuration,)),
        folds=(0,),
        until=Step.PREPROCESS,
    )
    run(request, RUNTIME)
    plans = next(request.workspace.plans("any").parent.iterdir())
    return TrainingJob(request.workspace, dataset, read(plans), configuration, 0)


def read(path):
    from nnplug.plans.plans import read_plans

    return read_plans(path)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw") / "Dataset901_Phantom"
    dataset = write_phantom(folder, cases=4, unseen=0, shape=(20, 24, 22))
    return prepare(dataset, tmp_path_factory.mktemp("work"))


@pytest.fixture
def job(prepared):
    """A job whose run is removed afterwards."""
    yield prepared
    remove_folder(prepared.run.path)


def start(job, progress=None, **trainer):
    job = replace(
        job, plans=with_options(job.plans, {"trainer": trainer} if trainer else {}, registry=PLUGINS.registry)
    )
    train(job, replace(RUNTIME, progress=progress or Silent()))
    return job


def epochs(job):
    return [json.loads(line) for line in job.run.log.read_text().splitlines()]


def check(job):
    return validate(job, RUNTIME, mirroring=False)


def test_a_fold_that_the_splits_do_not_have_is_told(prepared):
    lines = []

    class Warned(Silent):
        def warning(self, message):
            lines.append(message)

    seventh = replace(prepared, fold=7)
    try:
        start(seventh, progress=Warned(), epochs=1)
    finally:
        remove_folder(seventh.run.path)
    splits = prepared.workspace.splits
    assert lines[0].startswith(f"{splits} has 4 folds, counted from 0. For fold 7, a random 80 % of the cases")


def test_a_finished_run_goes_on_when_more_epochs_are_asked(job):
    start(job)
    check(job)
    first = load_file(job.run.final_weights)
    heard = Heard()
    longer = start(job, heard, epochs=4)
    (notice,) = heard.notices
    assert notice.startswith(
        "3d_fullres fold 0 was finished and goes on (choices.trainer.options.epochs: 4 instead of 2)"
    )
    assert notice.endswith("its schedule is planned anew")
    assert [e["epoch"] for e in epochs(job)] == [0, 1, 2, 3]
    assert [e["lr"] for e in epochs(job)][2:] == pytest.approx([0.01 * 0.5**0.9, 0.01 * 0.25**0.9])
    assert longer.run.is_finished
    assert not job.run.validation.exists()
    record = RunRecord.read(job.run.record)
    assert record.extended == ("choices.trainer.options.epochs: 4 instead of 2",)
    assert record.plans_digest == longer.run_plans.digest()
    assert any(not torch.equal(first[name], now) for name, now in load_file(job.run.final_weights).items())


def test_another_number_of_threads_is_recorded_and_gives_a_notice(job):
    threads, heard = torch.get_num_threads(), Heard()
    start(job, heard)
    assert RunRecord.read(job.run.record).threads == threads
    assert not heard.notices
    torch.set_num_threads(threads + 1)
    try:
        start(job, heard, epochs=3)
    finally:
        torch.set_num_threads(threads)
    assert RunRecord.read(job.run.record).threads == threads + 1
    assert heard.notices[-1].startswith(
        f"3d_fullres fold 0: it goes on with {threads + 1} CPU threads instead of {threads}"
    )


@pytest.mark.parametrize(("precision", "recorded"), [("float32", "float32"), ("bfloat16", "bfloat16")])
def test_the_precision_of_a_training_is_recorded_and_predicts(job, tmp_path, precision, recorded):
    start(job, precision=precision)
    assert RunRecord.read(job.run.record).precision == recorded
    assert open_model(job.run.path).members[0].precision == recorded
    write_bundle([job.run], tmp_path / "bundle")
    assert open_model(tmp_path / "bundle").members[0].precision == recorded


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. .."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
    ids=["tensor", "library"],
)
def test_a_gpu_without_memory_for_a_batch_is_one_line_with_sizes_and_remedies(job, monkeypatch, error):
    def step(*_):
        raise error

    monkeypatch.setattr("nnplug_nnunet.training.trainer.NnUNetTrainer.training_step", step)
    with pytest.raises(OutOfResources) as told:
        start(job)
    assert str(told.value) == (
        f"{job.run.path}: the device 'cpu' has too little memory for batches of 2 patches of 16 x 16 x 16 voxels with "
        "2 channels and 3 outputs; close other programs on the GPU, raise gpu_memory_gb if you give it, or plan for a "
        "smaller GPU memory or with plan.batch_size=1"
    )


def test_a_fold_that_another_process_is_at_is_left_alone(job, monkeypatch):
    def again(job):
        with set_aside([job.run]):
            pytest.fail("it is set aside")

    start(job)
    monkeypatch.setattr(run_lock, "locked", partial(locked, patience=0.1))
    with locked(job.run.lock, what="x"):
        for call in (start, check, again):
            with pytest.raises(NnplugError, match=r"fold_0: is in use by process \d+ .*on .*, since 2"):
                call(job)
    assert job.run.is_finished


def test_a_killed_predecessor_is_told(job):
    job.run.lock.parent.mkdir(parents=True, exist_ok=True)
    job.run.lock.write_text('{"process": 4711, "host": "node3", "since": "2026-01-01T00:00:00+00:00"}')
    heard = Heard()
    start(job, heard)
    line = f"{job.run.path}: process 4711 on node3, since 2026-01-01T00:00:00+00:00, was killed while it worked on"
    assert heard.notices[0].startswith(line)


def test_an_extension_begins_with_the_state_of_the_end(job):
    start(job)
    end = job.run.final_state.read_bytes()
    assert len(end) < 0.9 * job.run.final_weights.stat().st_size
    begin_extension(
        replace(job, plans=with_options(job.plans, {"trainer": {"epochs": 4}}, registry=PLUGINS.registry)), Silent()
    )
    assert job.run.state.read_bytes() == end
    assert job.run.final_weights.exists()
    assert not job.run.final_state.exists()


def test_an_extension_that_was_killed_before_its_plans_were_written_goes_on(job):
    start(job)
    job.run.final_state.replace(job.run.state)  # the first thing that an extension does
    longer = start(job, epochs=3)
    assert longer.run.is_finished
    assert len(epochs(job)) == 3


def test_what_is_no_extension_is_refused(job):
    start(job)
    for trainer, message in (
        ({"epochs": 1}, "epochs: 1 instead of 2"),
        ({"epochs": 4, "initial_lr": 0.1}, "initial_lr: 0.1 instead of the default"),
    ):
        with pytest.raises(NnplugError, match=f"was begun with other values .*{message}"):
            start(job, **trainer)
    job.run.final_state.unlink()
    with pytest.raises(
        NnplugError, match=r"kept no state_final\.pt at its end, so it cannot go on\. Train it again from"
    ):
        start(job, epochs=4)


def test_patience_must_be_positive(prepared):
    with pytest.raises(InvalidOptions, match="patience is 0; it must be at least 1, or null"):
        start(prepared, patience=0)


@pytest.fixture(scope="module")
def other(prepared, tmp_path_factory):
    """Another dataset, of three classes, planned with the plans of the first one."""
    folder = tmp_path_factory.mktemp("raw") / "Dataset902_Other"
    write_phantom(folder, cases=3, unseen=0, seed=7, shape=(22, 20, 24))
    raw = json.loads((folder / "dataset.json").read_text())
    raw["labels"] = {"background": 0, "body": 1, "cap": 2, "third": 3}
    (folder / "dataset.json").write_text(json.dumps(raw))
    dataset = Dataset.open(folder)
    from nnplug.preparation.preprocess import preprocess_dataset

    plans = transfer_plans(prepared.plans, dataset.description, dataset=dataset.name, plugins=PLUGINS, name="moved")
    work = Workspace(tmp_path_factory.mktemp("work"), dataset.name)
    place = work.preprocessed("moved", "3d_fullres")
    preprocess_dataset(dataset, plans, "3d_fullres", place, RUNTIME)
    return TrainingJob(work, dataset, plans, "3d_fullres", 0)


def test_plans_of_another_dataset_are_taken_over(prepared, other):
    old, new = training_decisions(prepared.plans), training_decisions(other.plans)
    assert new == old | {"dataset": "Dataset902_Other"}
    assert (other.plans.name, other.plans.providers) == ("moved", prepared.plans.providers)


def test_plans_for_other_channels_or_decided_options_are_refused(prepared, other):
    one = replace(other.description, channel_names=("T1",))
    with pytest.raises(NnplugError, match=r"of Dataset901_Phantom are for 2 channels; dataset.json names 1 \(T1\)"):
        transfer_plans(prepared.plans, one, dataset="a", plugins=PLUGINS)
    how = {"dataset": "a", "plugins": PLUGINS}
    with pytest.raises(InvalidOptions, match="planner.memory_gb is decided when planning"):
        transfer_plans(prepared.plans, other.description, options={"planner": {"memory_gb": 4}}, **how)
    options = {"plan": {"batch_size": 3}, "trainer": {"epochs": 7}}
    plans = transfer_plans(prepared.plans, other.description, options=options, **how)
    assert plans.configuration("3d_fullres").batch_size == 3
    assert plans.choice(Kind.TRAINER).options["epochs"] == 7


def test_training_begins_with_everything_but_the_heads(job, other):
    start(job)
    there = load_file(job.run.final_weights)
    heard = Heard()
    taker = replace(other, pretrained=job.run.path)
    start(taker, heard, initial_lr=NOTHING)
    seen = load_file(taker.run.final_weights)
    heads = {name for name in seen if not torch.equal(seen[name], there.get(name, seen[name][:0]))}
    assert heads
    assert all(seen[name].shape[0] == 4 for name in heads)
    assert heard.notices[-1].startswith(f"3d_fullres fold 0 begins with {job.run.path}; at random begin ")
    assert all(name in heard.notices[-1] for name in heads)
    record = RunRecord.read(taker.run.record)
    assert record.pretrained.model == str(job.run.path)
    with pytest.raises(NnplugError, match="was begun with other values .pretrained: the default instead of"):
        start(other, initial_lr=NOTHING)
    remove_folder(taker.run.path)


def test_a_pretrained_model_of_another_network_is_refused_by_names(job, other):
    start(job)
    changed = json.loads(json.dumps(other.plans.data()))
    features = changed["configurations"]["3d_fullres"]["architecture"]["options"]["features_per_stage"]
    features[-1] += 2
    from nnplug.plans.plans import Plans

    taker = replace(other, plans=Plans.from_data(changed, "plans"), pretrained=job.run.path)
    with pytest.raises(NnplugError, match=r"its network is another one: .* is \(.*\) instead of \(.* more\. Plan the"):
        start(taker)
    assert not taker.run.record.exists()


def test_cases_preprocessed_for_another_trainer_are_indexed_when_training_starts(job):
    """The weights are those of a training whose cases had the index from the start."""
    start(job)
    expected = load_file(job.run.final_weights)
    remove_folder(job.run.path)
    names = list(job.cases)
    for name in names:
        job.cases.write_index(name, CaseIndex({"other": np.zeros(3)}, {"kind": "another trainer's"}), "another key")
    assert {tuple(case.index.arrays) for case in job.cases.values()} == {("other",)}
    start(job)
    assert {tuple(case.index.arrays) for case in job.cases.values()} == {("voxels",)}
    assert all(torch.equal(expected[name], now) for name, now in load_file(job.run.final_weights).items())


def test_validation_holds_whole_logits_only_where_they_are_stored(job, monkeypatch, tmp_path):
    start(job)
    whole = []
    logits = LoadedMember.logits
    monkeypatch.setattr(LoadedMember, "logits", lambda *a, **k: (whole.append(1), logits(*a, **k))[1])
    summary = check(job)
    cases = RunRecord.read(job.run.record).validation
    assert (len(cases), whole) == (1, [])
    slabs = read_label(job.run.validation / f"{cases[0]}.nii.gz").array
    remove_folder(job.run.validation)
    assert validate(job, RUNTIME, mirroring=False, save_logits=True) == summary
    assert whole == [1]
    np.testing.assert_array_equal(read_label(job.run.validation / f"{cases[0]}.nii.gz").array, slabs)
    assert slabs.any()
    stored = read_logits(job.run.validation / f"{cases[0]}.logits.zip", tmp_path, PLUGINS)
    assert stored.shape[1:] == slabs.shape


def test_on_a_gpu_nothing_that_a_training_brings_stands_against_a_cuda_graph(job, monkeypatch):
    found = []

    def choose(trainer, state, callbacks):
        on_gpu = replace(state, task=replace(state.task, device=torch.device("cuda")))
        found.extend(choice._obstacles(trainer, on_gpu, callbacks))
        return trainer.training_step

    monkeypatch.setattr(loop, "choose_step", choose)
    start(job)
    assert found == []
