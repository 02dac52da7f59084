"""`nnplug` with a file of marks: `python tests/torture/marked.py MARKS KILL WORDS..` runs `nnplug WORDS..`.

MARKS gets a line "STAGE<tab>SECONDS<tab>CHANGES" when a stage begins, also in processes that are started for the
command; CHANGES is the number of changes of files so far (it opens a file to write, renames, removes). KILL is empty or
"STAGE:N": it then kills its process group just before the N-th change of a file after the first mark of STAGE.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod")
STAGES = {
    "nnplug.pipeline.run:ensure_verified": "verify",
    "nnplug.pipeline.run:ensure_fingerprint": "fingerprint",
    "nnplug.pipeline.run:ensure_plans": "plan",
    "nnplug.pipeline.run:_preprocess": "preprocess",
    "nnplug.training.folds:train": "train",
    "nnplug.training.several_devices:train_together": "train",
    "nnplug.training.folds:validate": "validate",
    "nnplug.pipeline.finish:select": "select",
    "nnplug.selection.select:_CandidateScorer.postprocess": "postprocess",
    "nnplug.selection.select:_write_model": "bundle",
    "nnplug.pipeline.finish:write_bundle": "bundle",
    "nnplug.inference.jobs:predict_folder": "predict",
}
"""Function, as the stage that calls it names it -> the stage that it begins."""


class Marks:
    """The stages that have begun, and the kill that waits for one."""

    def __init__(self, file: Path, kill: str) -> None:
        """Open the file of marks."""
        self._file, self._begun = file, False
        self._stage, _, number = kill.partition(":")
        self._left = int(number or 0)
        self._changes = 0

    def begin(self, stage: str) -> None:
        """Write a mark; of the second configuration of a cascade the stages are "train later" and so on."""
        with self._file.open("a") as file:
            file.write(f"{stage}\t{time.monotonic()}\t{self._changes}\n")
        self._begun = self._begun or stage == self._stage

    def hear(self, event: str, details: tuple[Any, ...]) -> None:
        """Count a change of a file, as an audit hook; kill the process group at the last one."""
        opened = event == "open" and isinstance(details[2], int) and details[2] & (os.O_WRONLY | os.O_RDWR)
        if not (event in CHANGES or opened) or str(details[0]) == str(self._file):
            return
        self._changes += 1
        if self._begun and self._left > 0:
            self._left -= 1
            if self._left == 0:
                os.killpg(0, signal.SIGKILL)


def watch(marks: Marks) -> None:
    """Wrap the functions that begin stages."""
    for place, stage in STAGES.items():
        module, _, name = place.partition(":")
        owner: Any = import_module(module)
        *path, name = name.split(".")
        for part in path:
            owner = getattr(owner, part)
        setattr(owner, name, _marking(getattr(owner, name), stage, marks))


def _marking(function: Callable[..., Any], stage: str, marks: Marks) -> Callable[..., Any]:
    def marked(*args: Any, **kwargs: Any) -> Any:
        marks.begin(f"{stage} later" if _is_later(args) else stage)
        return function(*args, **kwargs)

    return marked


def _is_later(args: tuple[Any, ...]) -> bool:
    """Return whether the job among the arguments refines a previous stage."""
    jobs: Iterator[Any] = (one for one in args if type(one).__name__ == "TrainingJob")
    return any(job.plans.configuration(job.configuration).previous_stage is not None for job in jobs)


def main(file: str, kill: str, *words: str) -> None:
    """Run a command with marks."""
    from nnplug_cli.main import main as nnplug

    marks = Marks(Path(file), kill)
    watch(marks)
    sys.addaudithook(marks.hear)
    nnplug(list(words), prog_name="nnplug", standalone_mode=False)
    marks.begin("end")


if __name__ == "__main__":
    main(*sys.argv[1:])
elif __name__ == "__mp_main__":  # a process that the command started; it is killed from outside
    watch(Marks(Path(sys.argv[1]), ""))
