"""The unmodified client of monailabel 0.8.5, which 3D Slicer's extension uses, at the running command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnplug.io.images import read_label


@pytest.fixture
def case(predicted):
    """An image, and the label map that `nnplug predict` makes of it."""
    return predicted / "images/case1_0000.nii.gz", read_label(predicted / "one/case1.nii.gz")


@pytest.fixture
def client(server, monai_client, tmp_path):
    return monai_client(server.url, tmpdir=str(tmp_path), client_id="slicer")


def test_the_client_sees_the_models(client):
    info = client.info()
    assert info["version"]
    assert info["labels"] == ["organ", "tumour", "whole", "core"]
    assert set(info["models"]) == {"organs", "two"}
    model = info["models"]["organs"]
    assert (model["type"], model["dimension"], model["labels"]) == ("segmentation", 3, {"organ": 1, "tumour": 2})
    assert model["description"] == "Dataset001_Organs 3d_fullres: organ, tumour; channels MR0"
    assert (info["trainers"], info["strategies"], info["datastore"]["total"]) == ({}, {}, 0)
    assert client.auth_enabled() is False
    assert client.train_status(check_if_running=True) is False
    assert client.datastore()["objects"] == {}


def test_the_client_predicts_a_file(client, case):
    image, expected = case
    found, parameters = client.infer("organs", "case", {"result_extension": ".nrrd"}, file=str(image))
    assert Path(found).suffix == ".nrrd"
    assert parameters["label_names"] == {"organ": 1, "tumour": 2}
    label_map = read_label(Path(found))
    assert np.array_equal(label_map.array, expected.array)
    assert np.allclose(label_map.geometry.origin, expected.geometry.origin)


def test_the_client_predicts_a_session_as_slicer_does(client, case, server):
    image, expected = case
    created = client.create_session(str(image))
    session = created["session_id"]
    assert client.get_session(session)["image"] == image.name
    for _ in range(2):
        config = client.info()["models"]["organs"]["config"]
        found, _ = client.infer("organs", "any name", dict(config), session_id=session)
        assert np.array_equal(read_label(Path(found)).array, expected.array)
    assert server.ask(f"/session/{session}?image=true&update_ts=true").body == image.read_bytes()
    assert client.remove_session(session)["name"] == session
    with pytest.raises(Exception) as failure:
        client.get_session(session)
    assert "no such session" in failure.value.msg
    assert not server.left()


def test_errors_reach_the_client(client, tmp_path):
    (tmp_path / "bad.nii.gz").write_bytes(b"nothing")
    for ask in (
        lambda: client.infer("organs", "x", {}, file=str(tmp_path / "bad.nii.gz")),
        lambda: client.next_sample("random", {}),
        lambda: client.upload_image(str(tmp_path / "bad.nii.gz"), "x"),
        lambda: client.save_label("x", str(tmp_path / "bad.nii.gz")),
        lambda: client.train_start("organs", {}),
    ):
        with pytest.raises(Exception) as failure:
            ask()
        assert "Status: 400" in failure.value.msg or "Status: 501" in failure.value.msg
