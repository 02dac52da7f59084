"""Which runs `--fresh` trains again: those that cannot go on, and those that refine them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nnplug.errors import NnplugError
from nnplug.pipeline import jobs as module
from nnplug.pipeline.jobs import changed_runs
from nnplug.runtime.progress import Silent
from nnplug.workspace.layout import RunFolder

CHAINS = {"2d": ("2d",), "low": ("low",), "cascade": ("low", "cascade")}


@pytest.fixture
def jobs(tmp_path):
    """Two folds of each configuration, all begun; the cascade comes after what it refines."""
    made = []
    for name in CHAINS:
        for fold in (0, 1):
            run = RunFolder(tmp_path / name / f"fold_{fold}")
            run.path.mkdir(parents=True)
            made.append(
                SimpleNamespace(configuration=name, fold=fold, run=run, plans=SimpleNamespace(chain=CHAINS.get))
            )
    return made


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        ((), ["2d 0", "2d 1", "low 0", "low 1", "cascade 0", "cascade 1"]),
        (("2d 1",), ["2d 0", "low 0", "low 1", "cascade 0", "cascade 1"]),
        (("low 0",), ["2d 0", "2d 1", "low 1"]),
        (("cascade 1",), ["2d 0", "2d 1", "low 0", "low 1", "cascade 0"]),
    ],
)
def test_what_differs_goes_and_what_refines_it(jobs, monkeypatch, changed, kept):
    def check(job, splits):
        if f"{job.configuration} {job.fold}" in changed:
            raise NnplugError("was begun with other values")

    monkeypatch.setattr(module, "check_resumable", check)
    monkeypatch.setattr(module, "ensure_splits", lambda *_, **__: ())
    found = changed_runs(SimpleNamespace(dataset=None, workspace=None), jobs, Silent())
    assert [f"{job.configuration} {job.fold}" for job in jobs if job.run not in found] == kept
    assert all(job.run.path.exists() for job in jobs)
