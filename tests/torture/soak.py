"""Predict, then train, for hours in one process each: `python -m tests.torture.soak --minutes 120`."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from tests.torture.damage.scene import NAME, make_scene
from tests.torture.process import Process
from tests.torture.results import ROOT, SCRATCH, Lines, keep

LOOPS = {"predict": "prediction through Predictor", "train": "training of a fold, again and again"}
SAMPLES = 60
"""Samples of memory and files in one loop."""
ROOM = 0.05
"""The growth of memory from the second fifth of the samples to the last one that is no fault."""


@dataclass(frozen=True)
class Soak:
    """One loop in this process.

    Attributes:
        loop: its name in `LOOPS`.
        minutes: how long it goes on.
        lines: gets a line per sample.
    """

    loop: str
    minutes: float
    lines: Lines

    def run(self, once: Callable[[int], None]) -> None:
        """Call `once` with 0, 1, 2 .. until the time is over, and note memory, files and threads from time to time."""
        start, process = time.monotonic(), Process.own()
        due, number = 0.0, 0
        while (seconds := time.monotonic() - start) < self.minutes * 60:
            once(number)
            number += 1
            if seconds >= due:
                self.lines.add({"loop": self.loop, "seconds": round(seconds), "done": number, **process.sample()})
                due += self.minutes * 60 / SAMPLES
        self.lines.add({"loop": self.loop, "seconds": round(seconds), "done": number, **process.sample()})


def predict(soak: Soak, scene: Path) -> None:
    """Predict arrays of changing shapes, and files, with one predictor."""
    from nnplug import Predictor

    predictor = Predictor(scene / "bundle", device="cpu", mirroring=False)
    files = [scene / "raw" / NAME / "imagesTs" / f"phantom_004_000{channel}.nii.gz" for channel in range(2)]
    rng = np.random.default_rng(0)

    def once(number: int) -> None:
        if number % 3 == 0:
            predictor.predict_files(*files)
            return
        shape = rng.integers(12, 26, 3)
        image = rng.normal(size=(2, *shape)).astype(np.float32)
        if number % 3 == 1:
            predictor.predict(image, (1.2, 1.0, 1.0))
        else:
            predictor.probabilities(image, (1.2, 1.0, 1.0))

    soak.run(once)


def train(soak: Soak, scene: Path) -> None:
    """Train and validate a fold from the start, by the command, in this process."""
    from click.testing import CliRunner

    from nnplug_cli.main import main as nnplug

    folder = scene.with_name("soaked")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(scene, folder)
    words = [
        "train",
        folder / "raw" / NAME,
        "-w",
        folder / "w",
        "-c",
        "3d_fullres",
        "-f",
        0,
        "--device",
        "cpu",
        "--fresh",
    ]

    def once(number: int) -> None:
        result = CliRunner().invoke(nnplug, [*map(str, words), "--seed", str(number)])
        if result.exit_code:
            raise RuntimeError(result.output) from result.exception

    soak.run(once)


def table(past: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows: memory, open files and threads of each loop, after a fifth of its time and at its end."""
    heads = ["loop", "minutes", "calls", "memory after a fifth, MB", "at the end, MB", "open files", "threads"]
    rows = []
    for loop, title in LOOPS.items():
        own = [line for line in past if line["loop"] == loop]
        if own:
            first, last = _fifths(own)
            between = [f"{_mean(first, key):.0f} -> {_mean(last, key):.0f}" for key in ("files", "threads")]
            memory = [f"{_mean(part, 'memory') / 1e6:.0f}" for part in (first, last)]
            rows.append([title, f"{own[-1]['seconds'] / 60:.0f}", str(own[-1]["done"]), *memory, *between])
    return heads, rows


def grown(own: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what grew in a loop: memory by more than `ROOM`, or open files or threads."""
    first, last = _fifths(own)
    found = [key for key in ("files", "threads") if round(_mean(last, key)) > round(_mean(first, key))]
    more = _mean(last, "memory") > (1 + ROOM) * _mean(first, "memory")
    return [*found, *(["memory"] if more else [])]


def _fifths(own: Sequence[Mapping[str, Any]]) -> tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]:
    size = max(1, len(own) // 5)
    return own[size : 2 * size] or own[:1], own[-size:]


def _mean(lines: Sequence[Mapping[str, Any]], key: str) -> float:
    return mean(line[key] for line in lines)


def main(words: Sequence[str] | None = None) -> int:
    """Run both loops, each in a process of its own; the exit code is 1 if something grew."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=120, help="of each loop")
    parser.add_argument("--loop", choices=LOOPS, help="run this loop in this process")
    parser.add_argument("--lines", type=Path, default=SCRATCH / "soak.jsonl")
    parser.add_argument("--scene", type=Path, default=SCRATCH / "damage" / "scene")
    chosen = parser.parse_args(words)
    scene = make_scene(chosen.scene)
    if chosen.loop is not None:
        {"predict": predict, "train": train}[chosen.loop](Soak(chosen.loop, chosen.minutes, Lines(chosen.lines)), scene)
        return 0
    own = ["--minutes", str(chosen.minutes), "--lines", str(chosen.lines), "--scene", str(scene)]
    chosen.lines.unlink(missing_ok=True)  # a process that ended cannot be resumed
    for loop in LOOPS:
        variables = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(
            [sys.executable, "-m", "tests.torture.soak", "--loop", loop, *own], cwd=ROOT, env=variables, check=True
        )
    return finish(Lines(chosen.lines).past, chosen.minutes)


def finish(past: Sequence[Mapping[str, Any]], minutes: float) -> int:
    """Keep the table; gives 1 if something grew."""
    faults = {loop: grown([line for line in past if line["loop"] == loop]) for loop in LOOPS}
    notes = [f"{LOOPS[loop]}: {', '.join(what)} grew." for loop, what in faults.items() if what]
    note = f"{minutes:g} minutes of each loop; `--minutes 120` is the long form." if minutes < 120 else ""
    keep("soak", f"python -m tests.torture.soak --minutes {minutes:g}", table(past), *filter(None, [note]), *notes)
    return int(any(faults.values()))


if __name__ == "__main__":
    sys.exit(main())
