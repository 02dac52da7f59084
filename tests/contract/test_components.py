"""Every registered component keeps the contract of its kind: the kit that third parties run on theirs."""

from __future__ import annotations

import pytest

from nnplug import Plugins
from nnplug.testing import checks
from nnplug.testing.pytest import parametrize_components

PLUGINS = Plugins()
TRACKERS = {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_MODE": "offline"}
"""Variables with which the trackers need no server."""


@parametrize_components(PLUGINS)
def test_contract(check, request, monkeypatch, tmp_path):
    for name, value in TRACKERS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tmp_path.as_uri())
    if "executor-dask" in request.node.name:
        pytest.importorskip("distributed", reason="this environment was made before nnplug-dask: run make setup")
    if any(f"{kind}-dicom" in request.node.name for kind in ("reader", "writer", "converter")):
        pytest.importorskip("highdicom", reason="this environment was made before nnplug-dicom: run make setup")
    for name, library in {"tensorboard": "tensorboardX", "mlflow": "mlflow", "wandb": "wandb"}.items():
        if f"tracker-{name}-" in request.node.name:
            pytest.importorskip(library, reason="this environment was made before nnplug-trackers: run make setup")
    if "ome-zarr" in request.node.name:
        pytest.importorskip("zarr", reason="this environment was made before nnplug-zarr: run make setup")
    for library in ("nibabel", "tifffile"):
        if f"reader-{library}" in request.node.name:
            pytest.importorskip(library, reason="this environment was made before nnplug-readers: run make setup")
    check.run()


def test_every_component_has_checks():
    entries = list(PLUGINS.registry)
    assert {str(e.source.plugin) for e in entries} >= {"nnunet"}
    assert [f"{e.kind} {e.name}" for e in entries if not checks(e, PLUGINS.registry)] == []
