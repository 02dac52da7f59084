"""The commands of docs/trackers.md run, with a folder in the place of the server."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from click.testing import CliRunner

from nnplug_cli.main import main

from . import reading

PAGE = Path(__file__).parents[3] / "docs" / "trackers.md"
LINES = [line for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL) for line in block.splitlines()]


def test_the_commands_of_the_page_run(job, monkeypatch, tmp_path):
    words = {"Dataset004_Hippocampus": str(job.dataset.folder), "WORK": str(job.workspace.root)}
    uri = (tmp_path / "mlruns").as_uri()
    trained = []
    for line in LINES:
        command, *rest = shlex.split(line, comments=True)
        if command == "export":
            name, _, value = rest[0].partition("=")
            monkeypatch.setenv(name, uri if name == "MLFLOW_TRACKING_URI" else value)
        elif command == "nnplug":
            result = CliRunner().invoke(
                main, [*(words.get(word, word) for word in rest), "--device", "cpu", "--no-mirroring"]
            )
            assert (result.exit_code, "warning: tracker" in result.stderr) == (0, False), result.output
            trained.append(rest[rest.index("--tracker") + 1])
        else:
            assert command in ("pip", "tensorboard", "wandb"), line
    assert trained == ["tensorboard", "mlflow", "wandb"]
    name = "Dataset901_Phantom/nnunet/3d_fullres/fold_0"
    assert [one.step for one in reading.by_tensorboard(job.run.path).Scalars("train_loss")] == [0, 1, 2]
    assert reading.mlflow_steps(uri, name, "train_loss") == [0, 1, 2]
    client, run = reading.by_mlflow(uri, name)
    assert client.get_experiment(run.info.experiment_id).name == "hippocampus"
    assert [int(row["_step"]) for row in reading.wandb_rows(job.run.path)] == [0, 1, 2]
