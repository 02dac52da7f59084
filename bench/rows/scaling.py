"""Two workers against one on a stage of many cases: nnplug against itself."""

from __future__ import annotations

import shutil

from harness.row import Case, Goal, Outside, Row, Sample, Setting, Unmeasurable, Work
from harness.session import NNPLUG, output_of, run_commands

ONE = {"OMP_NUM_THREADS": "1"}  # a case's own threads would hide what workers do


def ours(setting: Setting, dataset: str, executor: str) -> Work:
    """With two workers."""
    return preprocess(setting, dataset, executor, 2)


def theirs(setting: Setting, dataset: str, executor: str) -> Work:
    """With one."""
    return preprocess(setting, dataset, executor, 1)


def preprocess(setting: Setting, dataset: str, executor: str, workers: int) -> Work:
    """Preprocess a planned dataset into an empty store."""
    workspace, folder = setting.scratch / "work", setting.dataset(dataset)
    _check(executor)
    output_of([NNPLUG, "run", str(folder), "-w", str(workspace), "-c", "3d_fullres", "--until", "plan"])
    where = [] if executor == "local" else ["--executor", executor]
    command = [NNPLUG, "preprocess", str(folder), "-w", str(workspace), "-c", "3d_fullres", *where]

    def work() -> Sample:
        shutil.rmtree(workspace / folder.name / "preprocessed", ignore_errors=True)
        return run_commands([[*command, "--workers", str(workers)]], ONE)

    return work


def _check(executor: str) -> None:
    if executor != "local" and "--executor" not in output_of([NNPLUG, "preprocess", "--help"]):
        raise Unmeasurable(f"no executor {executor!r} is installed")


GOALS = (Goal("seconds", 1 / 1.8),)
ROW = Row(
    title="two workers against one, preprocessing",
    peer="one worker",
    ours=Outside(ours),
    theirs=Outside(theirs),
    rounds=3,
    cases=tuple(
        Case(
            f"HeadNeckCT, {executor} executor", {"dataset": "Dataset201_HeadNeckCT", "executor": executor}, goals=GOALS
        )
        for executor in ("local", "dask")
    ),
    note="Goal: at least 1.8 times as fast, which is a ratio of 0.556. The start of the command is in both.",
)
