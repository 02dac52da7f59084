"""A real scheduler and real workers, each a process, that talk over TCP."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent


class Cluster:
    """A scheduler and its workers."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        while not (folder / "scheduler.json").exists():
            assert self.processes[0].poll() is None
            time.sleep(0.05)

    @property
    def address(self):
        import json

        return json.loads((self.folder / "scheduler.json").read_text())["address"]

    def start_worker(self, *words):
        """A worker without a nanny: once killed, it is gone."""
        return self._start("worker", "--nthreads", "1", "--no-nanny", "--no-dashboard", *words)

    def stop(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()

    def _start(self, what, *words):
        command = [sys.executable, "-m", "dask", what, "--scheduler-file", self.folder / "scheduler.json", *words]
        environment = os.environ | {"PYTHONPATH": str(HERE), "DASK_DISTRIBUTED__WORKER__DAEMON": "False"}
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [str(word) for word in command], cwd=self.folder, env=environment, stdout=log, stderr=log
            )
        self.processes.append(process)
        return process


@pytest.fixture
def jobs(monkeypatch):
    """The module whose functions workers can import."""
    monkeypatch.syspath_prepend(HERE)
    import cluster_jobs

    return cluster_jobs


@contextmanager
def running(folder, workers):
    cluster = Cluster(folder)
    try:
        for _ in range(workers):
            cluster.start_worker("--resources", "GPU=1")
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Two workers that live as long as the tests."""
    with running(tmp_path_factory.mktemp("cluster"), 2) as cluster:
        yield cluster


@pytest.fixture
def mortal_cluster(tmp_path):
    """Two workers of one test, which may kill them."""
    with running(tmp_path, 2) as cluster:
        yield cluster
