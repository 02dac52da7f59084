"""A real MLflow server and processes that are killed: every epoch is in each tracker once, and weights stay equal."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nnplug.contracts import read_log
from nnplug.dataset.phantom import write_phantom
from nnplug.runtime.digests import sha256
from nnplug.workspace.layout import RunFolder

from . import reading
from .conftest import NO_SERVER

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
EPOCHS = 8
OPTIONS = (
    *("planner.base_features=4", "planner.max_features=8", "plan.batch_size=2", "plan.patch_size=[16,16,16]"),
    *(f"trainer.epochs={EPOCHS}", "trainer.iterations_per_epoch=12", "trainer.val_iterations_per_epoch=1"),
)
NAME = "Dataset901_Phantom/nnunet/3d_fullres/fold_0"
ALL = ("--tracker", "tensorboard", "--tracker", "mlflow", "--tracker", "wandb")


@dataclass
class Server:
    """An MLflow server on a port of this machine."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, or start it again with what it had, and return when it answers."""
        words = [BIN / "mlflow", "server", "--host", "127.0.0.1", "--port", self.port, "--workers", 1]
        words += ["--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db", "--artifacts-destination", self.folder]
        self.process = subprocess.Popen(
            [*map(str, words)],
            start_new_session=True,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "server.txt").open("ab"),
        )
        end = time.monotonic() + 180
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=5):
                    return
            except OSError:
                time.sleep(0.5)
        raise TimeoutError((self.folder / "server.txt").read_text())

    def kill(self) -> None:
        """Kill it with its workers."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture
def server(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        made = Server(tmp_path / "server", free.getsockname()[1])
    made.folder.mkdir()
    made.start()
    yield made
    made.kill()


@dataclass(frozen=True)
class Place:
    """A dataset and a workspace in which it is preprocessed."""

    dataset: Path
    workspace: Path
    variables: dict[str, str]

    @property
    def run(self) -> RunFolder:
        return RunFolder(self.workspace / self.dataset.name / "runs" / "nnunet" / "3d_fullres" / "fold_0")

    def begin(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        """Start a training."""
        command = [BIN / "nnplug", "train", self.dataset, "-w", self.workspace, "-c", "3d_fullres", "-f", "0"]
        return subprocess.Popen(
            [*map(str, command), "--device", "cpu", *words],
            env={**self.variables, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def train(self, *words: str, **variables: str) -> str:
        """Train to the end; gives what the user is told."""
        process = self.begin(*words, **variables)
        _, told = process.communicate(timeout=300)
        assert process.returncode == 0, told
        return told

    def wait_for(self, epochs: int, process: subprocess.Popen[str]) -> None:
        """Wait until the log has so many epochs."""
        end = time.monotonic() + 120
        while len(read_log(self.run.log)) < epochs:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.01)


def warnings(told: str) -> list[str]:
    return [line for line in told.splitlines() if line.startswith("warning: tracker")]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A workspace without trainings, and the digest of the weights of a training without trackers."""
    folder = tmp_path_factory.mktemp("source")
    dataset = write_phantom(folder / "Dataset901_Phantom", cases=4, unseen=0, shape=(20, 24, 22)).folder
    clean = {name: text for name, text in os.environ.items() if not name.startswith(("MLFLOW_", "WANDB_"))}
    place = Place(dataset, folder / "w", {**clean, **NO_SERVER, "OMP_NUM_THREADS": "1"})
    options = [word for option in OPTIONS for word in ("--set", option)]
    words = ["run", dataset, "-w", place.workspace, "-c", "3d_fullres", "--until", "preprocess", *options]
    subprocess.run([BIN / "nnplug", *map(str, words)], env=place.variables, check=True, capture_output=True)
    shutil.copytree(place.workspace, folder / "plain")
    plain = Place(dataset, folder / "plain", place.variables)
    plain.train()
    return place, sha256(plain.run.final_weights)


@pytest.fixture
def place(source, tmp_path):
    shutil.copytree(source[0].workspace, tmp_path / "w")
    return Place(source[0].dataset, tmp_path / "w", source[0].variables)


def test_a_training_that_is_killed_twice_has_every_epoch_once_in_each_tracker(place, source, server):
    variables = {"MLFLOW_TRACKING_URI": server.uri, "MLFLOW_EXPERIMENT_NAME": "killed"}
    for epochs in (3, 5):
        process = place.begin(*ALL, **variables)
        place.wait_for(epochs, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert warnings(place.train(*ALL, **variables)) == []
    assert sha256(place.run.final_weights) == source[1]
    losses = [(line.epoch, line.train_loss) for line in read_log(place.run.log)]
    assert len(losses) == EPOCHS
    seen = reading.by_tensorboard(place.run.path).Scalars("train_loss")
    assert [(one.step, pytest.approx(one.value, rel=1e-6)) for one in seen] == losses
    client, run = reading.by_mlflow(server.uri, NAME)
    history = client.get_metric_history(run.info.run_id, "train_loss")
    assert sorted((one.step, one.value) for one in history) == losses
    assert [one.path for one in client.list_artifacts(run.info.run_id)] == ["progress.png"]
    assert (run.info.status, run.data.params["batch_size"]) == ("FINISHED", "2")
    rows = reading.wandb_rows(place.run.path)
    assert [(int(row["_step"]), float(row["train_loss"])) for row in rows] == losses


def test_a_training_goes_on_when_its_server_is_gone_and_the_same_command_sends_the_rest(place, source, server):
    variables = {"MLFLOW_TRACKING_URI": server.uri}
    process = place.begin("--tracker", "mlflow", **variables)
    place.wait_for(3, process)
    server.kill()
    began = time.monotonic()
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    assert time.monotonic() - began < 200
    (warning,) = warnings(told)
    assert "tracker 'mlflow' from nnplug-trackers " in warning
    assert sha256(place.run.final_weights) == source[1]
    server.start()
    assert reading.mlflow_steps(server.uri, NAME, "train_loss") != [*range(EPOCHS)]
    assert warnings(place.train("--tracker", "mlflow", **variables)) == []
    assert reading.mlflow_steps(server.uri, NAME, "train_loss") == [*range(EPOCHS)]


def test_wandb_without_its_server_costs_a_warning_in_time(place, source):
    variables = {"WANDB_MODE": "online", "WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_API_KEY": "0" * 40}
    began = time.monotonic()
    told = place.train("--tracker", "wandb", **variables)
    assert time.monotonic() - began < 200
    (warning,) = warnings(told)
    assert "tracker 'wandb' from nnplug-trackers " in warning
    assert sha256(place.run.final_weights) == source[1]
