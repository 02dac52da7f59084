"""From a raw dataset to preprocessed cases of 2d and 3d_fullres; nnplug verifies the dataset as well."""

from __future__ import annotations

import shutil

from harness.nnunet import cores, environment, number
from harness.row import Case, Goal, Outside, Row, Sample, Setting, Work
from harness.session import NNPLUG, run_commands

CONFIGURATIONS = ("2d", "3d_fullres")
SMALL = {"dataset": "Dataset201_HeadNeckCT"}


def ours(setting: Setting, dataset: str) -> Work:
    """`nnplug run --until preprocess` into an empty workspace."""
    workspace, folder = setting.scratch / "nnplug", setting.dataset(dataset)
    wanted = [word for name in CONFIGURATIONS for word in ("-c", name)]

    def work() -> Sample:
        shutil.rmtree(workspace, ignore_errors=True)
        command = [NNPLUG, "run", str(folder), "-w", str(workspace), *wanted, "--until", "preprocess"]
        return run_commands([command])

    return work


def theirs(setting: Setting, dataset: str) -> Work:
    """`nnUNetv2_plan_and_preprocess` with as many processes as cores, into empty folders."""
    folder = setting.dataset(dataset)
    variables = environment(setting.scratch / "nnunetv2", folder)
    processes = str(cores())
    command = [
        *(setting.peer_command("nnUNetv2_plan_and_preprocess"), "-d", number(folder), "-c", *CONFIGURATIONS),
        *("-npfp", processes, "-np", *[processes] * len(CONFIGURATIONS)),
    ]

    def work() -> Sample:
        shutil.rmtree(variables["nnUNet_preprocessed"])
        environment(setting.scratch / "nnunetv2", folder)
        return run_commands([command], variables)

    return work


LARGE = (Goal("seconds", 0.25), Goal("peak_bytes", 0.5))
ROW = Row(
    title="fingerprint + plan + preprocess, 2d and 3d_fullres",
    ours=Outside(ours),
    theirs=Outside(theirs),
    rounds=2,
    warm_up=0,
    cases=(
        Case("Hippocampus, 200 cases", {"dataset": "Dataset004_Hippocampus"}, SMALL, goals=(Goal("seconds", 0.15),)),
        Case("HeadNeckCT, 13 volumes", SMALL, goals=LARGE),
        Case("BraTS2015, 4 brains", {"dataset": "Dataset082_BraTS2015"}, SMALL, goals=LARGE),
    ),
    note="nnplug's time includes the verification of every file, which nnU-Net leaves out by default.",
)
