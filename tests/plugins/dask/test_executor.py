"""Jobs on a cluster: the same results and messages as on this machine, and deaths that cost nothing."""

from __future__ import annotations

import os
from contextlib import closing
from functools import partial

import numpy as np
import pytest

from nnplug import Plugins
from nnplug.contracts import Channel
from nnplug.dataset.phantom import write_phantom
from nnplug.errors import InvalidOptions, NnplugError, Problems
from nnplug.preparation.make_plans import make_plans
from nnplug.preparation.measure import measure
from nnplug.preparation.preprocess import preprocess_dataset
from nnplug.registry.components import Entry, Kind, Source
from nnplug.registry.entries import NormalizerComponent
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug.workspace.case_store import CaseStore


class Heard(Silent):
    def __init__(self):
        self.warnings = []

    def warning(self, message):
        self.warnings.append(message)


def create(**options):
    return Plugins().registry.create(Kind.EXECUTOR, "dask", options)


@pytest.fixture
def executor(cluster):
    with closing(create(address=cluster.address)) as executor:
        yield executor


def test_jobs_run_in_both_workers_and_failures_are_named_as_here(executor, cluster, jobs):
    results = executor.map(jobs.place, range(40), stage="test", name=lambda item: f"case_{item}")
    places = [next(results) for _ in range(39)]
    assert {pid for pid, _ in places} == {process.pid for process in cluster.processes[1:]}
    with pytest.raises(Problems) as problems:
        next(results)
    assert problems.value.lines == ("test of case_3: three is bad",)
    assert executor.slots == 2


def test_a_component_that_fails_in_a_worker_is_named_with_its_case_and_the_others_are_finished(executor, jobs):
    component = NormalizerComponent("faulty", "cluster_jobs:Faulty", "takes no ones")
    entry = Entry(component, Source("faulty", "nnplug-faulty", "1.0"))
    work = partial(jobs.normalise, channel=Channel(entry.create(), False, None))
    results = executor.map(work, [0, 1, 0, 0], stage="preprocess", name=lambda item: f"case_{item}")
    assert os.getpid() not in {pid for pid, _ in (next(results) for _ in range(3))}
    with pytest.raises(Problems) as problems:
        next(results)
    (line,) = problems.value.lines
    assert line.startswith("preprocess of case_1: normalizer 'faulty' from nnplug-faulty 1.0 failed: KeyError: 1.0 (")
    assert "cluster_jobs.py, line" in line


def test_a_dataset_is_measured_and_preprocessed_as_here(executor, tmp_path):
    dataset = write_phantom(tmp_path / "Dataset999_Phantom", cases=3, unseen=0, shape=(16, 18, 20))
    plugins, silent = Plugins(), Silent()
    extractor = plugins.registry.create(Kind.EXTRACTOR, "nnunet")
    fingerprints = [measure(dataset, extractor, executor=e, progress=silent) for e in (executor, LocalExecutor(1))]
    assert fingerprints[0] == fingerprints[1]
    plans = make_plans(fingerprints[0], dataset.description, dataset=dataset.name, plugins=plugins)
    for name, place in (("there", executor), ("here", LocalExecutor(1))):
        preprocess_dataset(dataset, plans, "3d_fullres", tmp_path / name, Runtime(plugins, place))
    there, here = CaseStore(tmp_path / "there"), CaseStore(tmp_path / "here")
    assert list(there) == list(here) != []
    for case in here:
        np.testing.assert_array_equal(there[case].image[...], here[case].image[...])
        np.testing.assert_array_equal(there[case].label[...], here[case].label[...])


def test_a_job_whose_worker_dies_is_done_by_the_other(mortal_cluster, jobs, tmp_path):
    heard = Heard()
    with closing(create(address=mortal_cluster.address, resources={"GPU": 1})) as executor:
        assert executor.slots == 2
        names = {str(tmp_path / "marker"): "fold 0"}
        (pid,) = executor.map_on_device(jobs.die_once, list(names), stage="train", name=names.get, progress=heard)
    alive = [process.pid for process in mortal_cluster.processes[1:] if process.poll() is None]
    assert alive == [pid]
    (warning,) = heard.warnings
    assert warning.startswith("train of fold 0: its worker died; it continues at tcp://127.0.0.1:")


def test_a_job_that_kills_every_worker_is_given_up_with_its_name(tmp_path, jobs, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(jobs.__file__.rpartition("/")[0]))
    with (
        closing(create(workers=1)) as executor,
        pytest.raises(
            Problems, match=r"test of 7: 4 workers died during it, the last of them tcp://.*; look into its log"
        ),
    ):
        list(executor.map(jobs.die_always, [7], stage="test"))


def test_local_workers_get_a_gpu_each(jobs, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(jobs.__file__.rpartition("/")[0]))
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    before = dict(os.environ)
    with closing(create(gpus=[2, 5])) as executor:
        assert executor.slots == 2
        assert dict(os.environ) == before, "programs started from now on compute with all cores, as before"
        names = ["CUDA_VISIBLE_DEVICES"] * 6
        assert set(executor.map_on_device(jobs.variable, names, stage="test", progress=Silent())) == {"2", "5"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"address": "tcp://127.0.0.1:9"}, "executor.address 'tcp://127.0.0.1:9': no Dask scheduler answers there"),
        ({"address": "ftp://x"}, "executor.address 'ftp://x': no Dask scheduler answers there"),
    ],
)
def test_an_address_without_a_scheduler_is_quoted(options, message):
    with pytest.raises(NnplugError, match=message):
        list(create(timeout=2, **options).map(str, [1], stage="test"))


def test_resources_that_no_worker_has_are_quoted_before_anything_waits(cluster):
    with pytest.raises(NnplugError, match=r"no worker of tcp://.* has them. Start .*--resources TPU=2"):
        list(create(address=cluster.address, resources={"TPU": 2}).map(str, [1], stage="test"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers is 0; it must be above 0"),
        ({"slurm": {"queue": "gpu"}}, "slurm has options, but cluster is 'local'; set executor.cluster=slurm"),
        ({"resources": {"GPU": 1}}, "resources are those of a running scheduler's workers; set executor.address too"),
        ({"cluster": "pbs"}, "option 'cluster' is 'pbs'"),
    ],
)
def test_options_that_would_be_ignored_are_refused(options, message):
    with pytest.raises(InvalidOptions, match=message):
        create(**options)


def test_closing_what_was_never_used_starts_nothing():
    executor = create()
    executor.close()
    executor.close()
    assert list(executor.map(str, [], stage="test")) == []
