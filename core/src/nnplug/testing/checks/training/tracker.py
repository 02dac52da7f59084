"""The checks of `nnplug.contracts.Tracker`."""

from __future__ import annotations

import hashlib
import pickle
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from nnplug.contracts import LogLine, TrackedRun, Tracker
from nnplug.runtime.digests import sha256
from nnplug.testing.check import Checks, Subject, require

FILES = {"weights_final.safetensors": b"weights", "log.jsonl": b"{}\n", "plans.json": b"{}"}
PICTURE = "progress.png"
PARAMETERS = {"batch_size": 2, "patch_size": [8, 8], "trainer": "kit", "pretrained": None, "batch_dice": True}


def _takes_a_training(subject: Subject) -> None:
    """Raise unless a tracker takes a whole training, in another thread, and leaves the files of the run as they are."""
    with _run() as run:
        before = _digests(run.folder)
        require(_track(subject, run, range(3), finished=True) == 0, "begin gave other than 0 for a new training")
        changed = [name for name, digest in _digests(run.folder).items() if before.get(name, digest) != digest]
        missing = sorted(set(before) - set(_digests(run.folder)))
        require(not changed + missing, f"{', '.join(changed + missing)} in the run's folder was changed or removed")


def _takes_few_figures(subject: Subject) -> None:
    """Raise unless a tracker takes epochs whose trainer computes no validation loss and no Dice."""
    with _run() as run:
        _track(subject, run, range(2), finished=True, line=_short_line)


def _resumes(subject: Subject) -> None:
    with _run() as run:
        _track(subject, run, range(2), finished=False)
        again = replace(run, sent=2)
        first = _track(subject, again, range(2, 3), finished=True)
        require(first == 2, f"begin gave {first} for a stopped training of which 2 epochs were sent")
        first = _track(subject, replace(run, sent=3), (), finished=True)
        require(first == 3, f"begin gave {first} for a training of which 3 epochs were sent")


def _survives_a_kill(subject: Subject) -> None:
    """Raise unless a tracker goes on after a kill. What it has in memory is lost, since another process is killed."""
    with _run() as run:
        work = pickle.dumps((subject.entry, dict(subject.options), run, [_line(epoch) for epoch in range(2)]))
        words = [sys.executable, "-c", _KILLED, *sys.path]
        done = subprocess.run(words, input=work, capture_output=True, check=False)  # noqa: S603 - our own code
        said = " ".join(done.stderr.decode(errors="replace").split()[-40:])
        require(b"sent" in done.stdout, f"2 epochs could not be sent from another process: {said}")
        first = _track(subject, replace(run, sent=2), (), finished=True)
        require(0 <= first <= 2, f"begin gave {first} for a killed training of which 2 epochs were sent")


_KILLED = """
import os, pickle, sys
sys.path[:] = sys.argv[1:]
entry, options, run, lines = pickle.load(sys.stdin.buffer)
tracker = entry.create(options)
if type(first := tracker.begin(run)) is not int:
    sys.exit(f"begin gave {first!r}; expected the number of epochs that it has")
for line in lines:
    tracker.log_epoch(line)
os.write(1, b"sent")
os.kill(os.getpid(), 9)
"""


def _begins_anew(subject: Subject) -> None:
    with _run() as run:
        _track(subject, run, range(2), finished=True)
        other = replace(run, id=run.id[::-1], sent=0)
        first = _track(subject, other, range(1), finished=True)
        require(first == 0, f"begin gave {first} for another training of the same name; its id differs")


def _draws_nothing(subject: Subject) -> None:
    """Raise if a tracker draws from a global generator, which a training in the same process could use."""
    with _run() as run:
        before = _random_state()
        _track(subject, run, range(3), finished=True)
        require(_random_state() == before, "a global random generator of Python, numpy or torch was used or set")


def _track(
    subject: Subject,
    run: TrackedRun,
    epochs: Iterator[int] | range | tuple[int, ...],
    *,
    finished: bool,
    line: Callable[[int], LogLine] | None = None,
) -> int:
    """Send a training to a new tracker from another thread; return the result of `begin`."""

    def send() -> int:
        tracker: Tracker = subject.create()
        first = _send(tracker, run, epochs, line or _line)
        if finished:
            tracker.log_picture("progress", run.folder / PICTURE)
            tracker.log_model(run.folder)
        tracker.end(finished=finished)
        return first

    return _in_thread(send)


def _send(
    tracker: Tracker,
    run: TrackedRun,
    epochs: Iterator[int] | range | tuple[int, ...],
    line: Callable[[int], LogLine] | None = None,
) -> int:
    first = tracker.begin(run)
    require(type(first) is int, f"begin gave {first!r}; expected the number of epochs that it has")
    for epoch in epochs:
        tracker.log_epoch((line or _line)(epoch))
    return first


def _in_thread(work: Callable[[], int]) -> int:
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


def _line(epoch: int) -> LogLine:
    return LogLine(
        epoch=epoch,
        learning_rate=0.01,
        train_loss=1 / (epoch + 1),
        val_loss=0.5,
        dice=(0.5, None),
        mean_dice=0.5,
        smoothed_dice=0.4,
        seconds=2.0,
        wait_seconds=0.1,
    )


def _short_line(epoch: int) -> LogLine:
    return LogLine(epoch=epoch, learning_rate=0.01, train_loss=0.5, seconds=2.0)


@contextmanager
def _run() -> Iterator[TrackedRun]:
    with TemporaryDirectory() as folder:
        path = Path(folder)
        for name, content in FILES.items():
            (path / name).write_bytes(content)
        Image.new("RGB", (4, 3)).save(path / PICTURE)
        name = f"Dataset999_Kit/kit/2d/{path.name}"
        number = hashlib.sha256(str(path).encode()).hexdigest()[:16]  # a server keeps the trainings of all checks
        yield TrackedRun(name, number, path, PARAMETERS, classes=("organ", "tumour"))


def _digests(folder: Path) -> dict[str, str]:
    return {file.name: sha256(file) for file in folder.iterdir() if file.name in (*FILES, PICTURE)}


def _random_state() -> bytes:
    numbers = np.random.get_state()
    return pickle.dumps((random.getstate(), numbers, torch.get_rng_state().numpy()))


CHECKS: Checks = {
    "takes a training from its begin to its end": _takes_a_training,
    "takes epochs without validation": _takes_few_figures,
    "resumes after the last epoch": _resumes,
    "survives a kill": _survives_a_kill,
    "records a training anew": _begins_anew,
    "draws no random numbers": _draws_nothing,
}
