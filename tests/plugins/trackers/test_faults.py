"""Faults of servers cost a warning; the user's mistakes are errors before the training."""

from __future__ import annotations

import time

import pytest

from nnplug.errors import NnplugError
from nnplug.runtime.digests import sha256


def test_a_server_that_is_gone_costs_one_warning(job, start, digest_without, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    began = time.monotonic()
    (line,) = start(job, "mlflow", "csv")
    assert line.startswith("warning: tracker 'mlflow' from nnplug-trackers ")
    assert "no server answers at http://127.0.0.1:9 (ConnectionError). The training continues without it" in line
    assert time.monotonic() - began < 60  # MLflow alone repeats its requests for minutes
    assert sha256(job.run.final_weights) == digest_without
    assert len((job.run.path / "epochs.csv").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("tracker", "library"), [("tensorboard", "tensorboardX"), ("mlflow", "mlflow"), ("wandb", "wandb")]
)
def test_a_library_that_is_not_installed_is_an_error_before_the_training(job, start, monkeypatch, tracker, library):
    monkeypatch.setattr("nnplug_trackers.libraries.find_spec", lambda name: None)
    with pytest.raises(NnplugError) as caught:
        start(job, tracker)
    assert str(caught.value) == (
        f"tracker {tracker!r} needs {library}, which is not installed. Run: pip install 'nnplug-trackers[{tracker}]'"
    )
    assert not job.run.log.exists()


def test_mlflow_needs_an_address(job, start, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(NnplugError, match="tracker 'mlflow' needs the address of a server. Set MLFLOW_TRACKING_URI"):
        start(job, "mlflow")
    assert not job.run.log.exists()
