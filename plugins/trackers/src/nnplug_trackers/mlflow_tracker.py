"""The tracker `mlflow`: a run on an MLflow server."""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnplug.contracts import LogLine, TrackedRun, Tracker, epoch_figures
from nnplug.errors import NnplugError
from nnplug_trackers.libraries import require_library

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

URI, EXPERIMENT = "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"
ID_TAG = "nnplug.id"
LAST = "learning_rate"
"""The metric that every epoch has. It is sent last, so that an epoch counts when all of its metrics are there."""

_MOST_METRICS, _MOST_PARAMETERS = 900, 100  # a request of MLflow holds at most 1000 and 100
_SECONDS = 10.0


@dataclass
class MlflowTracker(Tracker):
    """Record parameters, metrics (the step is the epoch), pictures as artifacts, and the model's path as a tag.

    Attributes:
        uri: the address of the server, such as http://127.0.0.1:5000; None for the variable MLFLOW_TRACKING_URI.
        experiment: the name of the experiment, which is made if it is missing; None for the variable
            MLFLOW_EXPERIMENT_NAME, or "nnplug" without it.
    """

    uri: str | None = None
    experiment: str | None = None

    def __post_init__(self) -> None:
        """Check that MLflow is installed and that there is an address.

        Raises:
            NnplugError: one of both is missing.
        """
        require_library("mlflow", "mlflow")
        self._uri = self.uri or os.environ.get(URI, "")
        if not self._uri:
            raise NnplugError(
                f"tracker 'mlflow' needs the address of a server. Set {URI}, or its option uri: http://HOST:5000"
            )
        self._experiment = self.experiment or os.environ.get(EXPERIMENT) or "nnplug"
        self._classes: tuple[str, ...] = ()
        self._client: MlflowClient | None = None
        self._run_id = ""

    def begin(self, run: TrackedRun) -> int:
        """Find the run with the tag `nnplug.id`, or make it, and return the number of its epochs."""
        from mlflow import MlflowClient

        self._check_server()
        self._client, self._classes = MlflowClient(tracking_uri=self._uri), run.classes
        with _random_state_kept():
            found = self._find_or_create(self._client, run)
        self._run_id = found.info.run_id
        self._log_parameters(found, run.parameters)
        history = self._client.get_metric_history(self._run_id, LAST)
        return max((metric.step for metric in history), default=-1) + 1

    def log_epoch(self, line: LogLine) -> None:
        """Send the figures of an epoch, in one request unless there are more than 900."""
        from mlflow.entities import Metric

        figures = epoch_figures(line, self._classes)
        figures[LAST] = figures.pop(LAST)
        now = int(time.time() * 1000)
        metrics = [Metric(_name(name), value, now, line.epoch) for name, value in figures.items()]
        for batch in _batches(metrics, _MOST_METRICS):
            self._reached.log_batch(self._run_id, metrics=batch)

    def log_picture(self, name: str, path: Path) -> None:  # noqa: ARG002 - an artifact has the name of its file
        """Send a picture as an artifact."""
        self._reached.log_artifact(self._run_id, str(path))

    def log_model(self, folder: Path) -> None:
        """Set the tag `model` to the path of the run's folder."""
        self._reached.set_tag(self._run_id, "model", str(folder.absolute()))

    def end(self, *, finished: bool) -> None:
        """Set the state of the run."""
        self._reached.set_terminated(self._run_id, "FINISHED" if finished else "KILLED")

    @property
    def _reached(self) -> MlflowClient:
        """The client, after the server has answered."""
        self._check_server()
        if self._client is None:
            raise RuntimeError("begin comes first")
        return self._client

    def _check_server(self) -> None:
        """Raise `ConnectionError` if no server answers in 10 seconds.

        MLflow repeats a request for minutes, and the end of the training would wait for it.
        """
        import requests

        if not self._uri.startswith(("http://", "https://")):
            return
        try:
            requests.head(self._uri, timeout=_SECONDS)
        except requests.exceptions.SSLError:
            return  # a server answers; MLflow's settings tell which certificate to trust
        except requests.exceptions.RequestException as error:
            raise ConnectionError(f"no server answers at {self._uri} ({type(error).__name__})") from error

    def _find_or_create(self, client: MlflowClient, run: TrackedRun) -> Run:
        experiment = _experiment_id(client, self._experiment)
        found = client.search_runs([experiment], f"tags.`{ID_TAG}` = '{run.id}'", max_results=1)
        if not found:
            return client.create_run(experiment, tags={ID_TAG: run.id}, run_name=run.name)
        client.update_run(found[0].info.run_id, status="RUNNING")
        return found[0]

    def _log_parameters(self, found: Run, parameters: Mapping[str, Any]) -> None:
        """Send the parameters that the run lacks. MLflow lets none change; one that an extension changes is a tag."""
        from mlflow.entities import Param, RunTag

        known = found.data.params
        texts = {_name(name): _text(value) for name, value in parameters.items()}
        new = [Param(name, value) for name, value in texts.items() if name not in known]
        for batch in _batches(new, _MOST_PARAMETERS):
            self._reached.log_batch(self._run_id, params=batch)
        if changed := [RunTag(name, value) for name, value in texts.items() if known.get(name, value) != value]:
            self._reached.log_batch(self._run_id, tags=changed)


@contextmanager
def _random_state_kept() -> Iterator[None]:
    """Restore Python's random state after the block: MLflow draws digits for one in ten ids of new experiments."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


def _experiment_id(client: MlflowClient, name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:  # another training has made it now
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


def _batches(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch


def _name(name: str) -> str:
    """Return a name with MLflow's characters alone; class names may have others."""
    return re.sub(r"[^\w\-. :/]", "_", name)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
