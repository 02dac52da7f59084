"""Two workers against one on a stage of many cases: nnplug against itself."""

from __future__ import annotations

import json
from pathlib import Path

from harness.row import Case, Goal, Outside, Row, Sample, Setting, Unmeasurable, Work
from harness.session import NNPLUG, OWN_PYTHON, output_of

STAGE = Path(__file__).parents[1] / "peers" / "stage.py"
ONE = {"OMP_NUM_THREADS": "1"}  # a case's own threads would hide what workers do


def ours(setting: Setting, dataset: str, executor: str, copies: int) -> Work:
    """With two workers."""
    return preprocess(setting, dataset, executor, copies, 2)


def theirs(setting: Setting, dataset: str, executor: str, copies: int) -> Work:
    """With one."""
    return preprocess(setting, dataset, executor, copies, 1)


def preprocess(setting: Setting, dataset: str, executor: str, copies: int, workers: int) -> Work:
    """Preprocess a planned dataset into an empty store."""
    workspace = setting.scratch / "work"
    folder = repeated(setting.dataset(dataset), setting.scratch / dataset, copies)
    if f" {executor} " not in output_of([NNPLUG, "components", "executor"]):
        raise Unmeasurable(f"no executor {executor!r} is installed")
    output_of([NNPLUG, "run", str(folder), "-w", str(workspace), "-c", "3d_fullres", "--until", "plan"])
    command = [str(OWN_PYTHON), str(STAGE), str(folder), str(workspace), executor, str(workers)]

    def work() -> Sample:
        sample: Sample = json.loads(output_of(command, ONE))
        return sample

    return work


def repeated(dataset: Path, target: Path, copies: int) -> Path:
    """A dataset with every case so many times, as links: the last worker's last case must not weigh."""
    if target.exists():
        return target
    for part in ("imagesTr", "labelsTr"):
        (target / part).mkdir(parents=True)
        for file in (dataset / part).iterdir():
            for copy in range(copies):
                (target / part / f"copy{copy}_{file.name}").symlink_to(file.resolve())
    description = json.loads((dataset / "dataset.json").read_text())
    description["numTraining"] *= copies
    (target / "dataset.json").write_text(json.dumps(description))
    return target


GOALS = (Goal("seconds", 1 / 1.8),)
ROW = Row(
    title="two workers against one, preprocessing",
    peer="one worker",
    ours=Outside(ours),
    theirs=Outside(theirs),
    rounds=3,
    cases=tuple(
        Case(
            f"40 brains of BraTS2015, {executor} executor",
            {"dataset": "Dataset082_BraTS2015", "executor": executor, "copies": 10},
            quick={"copies": 1},
            goals=GOALS,
        )
        for executor in ("local", "dask")
    ),
    note="Goal: at least 1.8 times as fast, which is a ratio of 0.556. The stage alone, of the 4 brains ten times "
    "over; workers are started before. Dask takes some milliseconds per case, which tiny cases notice.",
)
