"""A training is in TensorBoard, MLflow and W&B as it was, and its weights are those of a training without trackers."""

from __future__ import annotations

import json
import os

import pytest

from nnplug.contracts import read_log
from nnplug.runtime.digests import sha256
from nnplug.runtime.files import remove_folder

from . import reading
from .conftest import NO_SERVER, start_training

NAME = "Dataset901_Phantom/nnunet/3d_fullres/fold_0"


@pytest.fixture(scope="module")
def followed(prepared, digest_without, tmp_path_factory):
    """A training that all three follow."""
    uri = (tmp_path_factory.mktemp("mlflow") / "mlruns").as_uri()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**NO_SERVER, "MLFLOW_TRACKING_URI": uri, "MLFLOW_EXPERIMENT_NAME": "phantoms"}.items():
            patch.setenv(name, value)
        before = dict(os.environ)
        told = start_training(prepared, "tensorboard", "mlflow", "wandb", **{"wandb.project": "phantom"})
        assert [line for line in told if "is still receiving" not in line] == [], "W&B's first start may take long"
        assert "WANDB_SERVICE" not in os.environ
        assert {name: os.environ.get(name) for name in before} == before
    yield prepared, uri
    remove_folder(prepared.run.path)


def test_weights_are_equal_to_the_bit(followed, digest_without):
    job, _ = followed
    assert sha256(job.run.final_weights) == digest_without


def test_tensorboards_own_reader_has_all_of_it(followed):
    job, _ = followed
    found, lines = reading.by_tensorboard(job.run.path), read_log(job.run.log)
    assert {"train_loss", "val_loss", "mean_dice", "learning_rate"} < set(found.Tags()["scalars"])
    losses = found.Scalars("train_loss")
    assert [one.step for one in losses] == [0, 1, 2]
    assert [one.value for one in losses] == pytest.approx([line.train_loss for line in lines], rel=1e-6)
    (picture,) = found.Images("progress")
    assert (picture.step, picture.encoded_image_string) == (3, job.run.curves.read_bytes())
    assert picture.width > 100
    assert str(job.run.path) in str(found.Tensors("model/text_summary")[0].tensor_proto.string_val[0].decode())
    table = found.Tensors("parameters/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "| trainer.epochs | 3 |" in table


def test_tensorboards_tab_of_hyperparameters_has_the_plans(followed):
    from tensorboard.plugins.hparams import plugin_data_pb2

    job, _ = followed
    content = reading.by_tensorboard(job.run.path).SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    data = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert data["batch_size"].number_value == 2
    assert data["patch_size"].string_value == "[16, 16, 16]"
    assert data["trainer"].string_value == "nnunet"


def test_mlflows_client_reads_all_of_it(followed):
    job, uri = followed
    client, run = reading.by_mlflow(uri, NAME)
    assert client.get_experiment(run.info.experiment_id).name == "phantoms"
    assert run.info.status == "FINISHED"
    assert (run.data.params["batch_size"], run.data.params["trainer.epochs"]) == ("2", "3")
    history = client.get_metric_history(run.info.run_id, "train_loss")
    assert [(one.step, one.value) for one in history] == [
        (line.epoch, line.train_loss) for line in read_log(job.run.log)
    ]
    assert [one.path for one in client.list_artifacts(run.info.run_id)] == ["progress.png"]
    assert run.data.tags["model"] == str(job.run.path)


def test_the_files_of_wandb_have_all_of_it(followed):
    job, _ = followed
    rows = reading.wandb_rows(job.run.path)
    assert [(int(row["_step"]), float(row["train_loss"])) for row in rows] == [
        (line.epoch, line.train_loss) for line in read_log(job.run.log)
    ]
    records = reading.by_wandb(job.run.path)
    (begun,) = [record.run for record in records if record.WhichOneof("record_type") == "run"]
    assert (begun.project, begun.display_name, begun.run_group) == ("phantom", NAME, NAME.rpartition("/")[0])
    configs = [item for record in records for item in (*record.config.update, *record.run.config.update)]
    assert {item.key: item.value_json for item in configs}["batch_size"] == "2"
    summary = {item.key: item.value_json for record in records for item in record.summary.update}
    assert json.loads(summary["model"]) == str(job.run.path)
    (picture,) = job.run.path.glob("wandb/offline-run-*/files/media/images/progress*.png")
    assert picture.read_bytes() == job.run.curves.read_bytes()
