"""The time that a training of Hippocampus 2d (batch 366) waits for its patches, by `nnplug bench`."""

from __future__ import annotations

import json

from harness.row import Case, Goal, Outside, Row, Sample, Setting, Work
from harness.session import NNPLUG, output_of

DATASET = "Dataset004_Hippocampus"


def ours(setting: Setting, options: list[str], iterations: int) -> Work:
    """A short training of 2d, watched."""
    workspace = setting.scratch / "nnplug"
    short = [f"--set=trainer.{key}=1" for key in ("epochs", "iterations_per_epoch", "val_iterations_per_epoch")]
    folder = str(setting.dataset(DATASET))
    output_of([NNPLUG, "run", folder, "-w", str(workspace), "-c", "2d", "-f", "0", "--until=train", *options, *short])
    (run,) = workspace.glob("*/runs/*/2d/fold_0")
    command = [NNPLUG, "bench", str(run), "--iterations", str(iterations), "--json"]

    def work() -> Sample:
        profile = json.loads(output_of(command))
        total = sum(profile["parts"].values())
        return {"seconds": total, "wait_share": profile["parts"]["wait"] / total}

    return work


SMALL = ["--set=plan.batch_size=4", "--set=planner.base_features=4"]
ROW = Row(
    title="waiting for patches in a training, Hippocampus 2d batch 366",
    ours=Outside(ours),
    rounds=3,
    warm_up=0,
    cases=(
        Case(
            "seconds of an iteration",
            {"options": [], "iterations": 5},
            quick={"options": SMALL, "iterations": 2},
            goals=(Goal("wait_share", 0.05, of="nnplug"),),
            only="nnplug",
        ),
    ),
    note="The wait is the share of an iteration in which the network has no batch; nnU-Net does not tell its own.",
)
