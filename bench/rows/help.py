"""The time of a command's help, which users wait for before anything else."""

from __future__ import annotations

from harness.row import Case, Goal, Outside, Row, Sample, Setting, Work
from harness.session import NNPLUG, run_commands

PAIRS = {
    "run": "nnUNetv2_plan_and_preprocess",
    "plan": "nnUNetv2_plan_experiment",
    "train": "nnUNetv2_train",
    "predict": "nnUNetv2_predict",
    "evaluate": "nnUNetv2_evaluate_folder",
}
ALL = "slowest of all commands"


def ours(_: Setting, command: str) -> Work:
    """Help of one command, or the slowest help of all."""
    if command != ALL:
        return lambda: run_commands([[NNPLUG, command, "--help"]])
    from nnplug_cli.main import COMMANDS

    def slowest() -> Sample:
        return max((run_commands([[NNPLUG, name, "--help"]]) for name in COMMANDS), key=lambda s: s["seconds"])

    return slowest


def theirs(setting: Setting, command: str) -> Work:
    """Help of nnU-Net's command for the same."""
    return lambda: run_commands([[setting.peer_command(PAIRS[command]), "--help"]])


GOAL = Goal("seconds", 0.3, of="nnplug")
ROW = Row(
    title="`--help` of every command",
    ours=Outside(ours),
    theirs=Outside(theirs),
    rounds=2,
    cases=(
        *(Case(name, {"command": name}, goals=(Goal("seconds", 0.06), GOAL)) for name in PAIRS),
        Case(ALL, {"command": ALL}, goals=(GOAL,), only="nnplug"),
    ),
)
