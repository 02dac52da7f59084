"""Slurm through dask-jobqueue, with an `sbatch` that runs its script on this machine."""

from __future__ import annotations

import os
import signal
from contextlib import closing, suppress
from pathlib import Path

import pytest

from nnplug import Plugins
from nnplug.components import Kind
from nnplug.errors import InvalidOptions

SBATCH = """#!/bin/sh
cp "$1" {folder}/script
PYTHONPATH={here} setsid sh "$1" >>{folder}/log 2>&1 &
echo $! >>{folder}/pids
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
for job in "$@"; do kill -- -$job; done
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A folder with the commands of Slurm on PATH; what they started ends with the test."""
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        file = tmp_path / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text.format(folder=tmp_path, here=Path(__file__).parent) if "{" in text else text)
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    yield tmp_path
    for pid in (tmp_path / "pids").read_text().split() if (tmp_path / "pids").exists() else []:
        with suppress(ProcessLookupError):
            os.killpg(int(pid), signal.SIGKILL)


def create(**options):
    return Plugins().registry.create(Kind.EXECUTOR, "dask", {"cluster": "slurm", "workers": 1, **options})


def test_jobs_run_in_jobs_of_slurm(slurm, jobs):
    options = {"cores": 1, "memory": "2GB", "queue": "gpu", "job_extra_directives": ["--gres=gpu:1"]}
    with closing(create(slurm={**options, "interface": "lo"})) as executor:
        pids = {pid for pid, _ in executor.map(jobs.place, [1, 2], stage="test")}
    assert os.getpid() not in pids
    script = (slurm / "script").read_text()
    for line in ("#SBATCH -p gpu", "#SBATCH --gres=gpu:1", "--resources nnplug-device=1"):
        assert line in script


def test_unknown_arguments_are_quoted(slurm):
    with pytest.raises(InvalidOptions, match=r"executor.slurm: .*quue"):
        list(create(slurm={"cores": 1, "memory": "1GB", "quue": "gpu"}).map(str, [1], stage="test"))
