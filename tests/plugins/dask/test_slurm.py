"""Slurm through dask-jobqueue, with an `sbatch` that keeps its script."""

from __future__ import annotations

import os
import time
from contextlib import closing

import pytest

from nnplug import Plugins
from nnplug.errors import InvalidOptions
from nnplug.registry.components import Kind

SBATCH = """#!/bin/sh
cp "$1" {folder}/partial && mv {folder}/partial {folder}/script
echo "Submitted batch job 1"
"""
SCANCEL = "#!/bin/sh\n"


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A folder with the commands of Slurm on PATH; `sbatch` keeps the script and starts nothing."""
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        file = tmp_path / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text.format(folder=tmp_path))
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def create(**options):
    return Plugins().registry.create(Kind.EXECUTOR, "dask", {"cluster": "slurm", "workers": 1, **options})


def test_what_slurm_is_given(slurm):
    options = {"cores": 1, "memory": "2GB", "queue": "gpu", "job_extra_directives": ["--gres=gpu:1"]}
    with closing(create(slurm={**options, "interface": "lo"})) as executor:
        assert executor.slots == 1
        deadline = time.monotonic() + 60
        while not (slurm / "script").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
    script = (slurm / "script").read_text()
    worker = ("--resources nnplug-device=1", "--preload nnplug_dask.worker")
    for line in ("#SBATCH -p gpu", "#SBATCH --gres=gpu:1", *worker):
        assert line in script


def test_unknown_arguments_are_quoted(slurm):
    with pytest.raises(InvalidOptions, match=r"executor.slurm: .*quue"):
        list(create(slurm={"cores": 1, "memory": "1GB", "quue": "gpu"}).map(str, [1], stage="test"))
