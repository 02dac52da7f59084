"""Many cases, many images and a large image: `python -m tests.torture.size`, `--parts cases` for one of them."""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from tests.torture.results import SCRATCH, Lines, keep

BIN = Path(sys.executable).parent
SMALL = (
    *("--set", "planner.base_features=4", "--set", "planner.max_features=8", "--set", "plan.batch_size=2"),
    *("--set", "trainer.epochs=1", "--set", "trainer.iterations_per_epoch=1"),
    *("--set", "trainer.val_iterations_per_epoch=1"),
)
ON_CPU = ("--device", "cpu", "--no-mirroring")
SLOWER = 1.25
"""The ratio between many and few from which on a figure grows."""
BUDGET = 8e9
"""The memory in which a volume of 1024^3 voxels is predicted, bytes."""


@dataclass(frozen=True)
class Seen:
    """How a command ended: CPU and wall-clock seconds, and its largest resident memory in bytes."""

    cpu: float
    seconds: float
    memory: int


def run(*words: object, cwd: Path) -> Seen:
    """Run the installed command, which must succeed."""
    start = time.monotonic()
    with (cwd / "stderr.txt").open("w+") as errors:
        started = _start(*words, cwd=cwd, errors=errors)
        _, status, usage = os.wait4(started.pid, 0)
        errors.seek(0)
        if status:
            raise RuntimeError(f"{words}: {errors.read()[-2000:]}")
    return Seen(usage.ru_utime + usage.ru_stime, time.monotonic() - start, usage.ru_maxrss << 10)


def _start(*words: object, cwd: Path, errors: IO[str] | int) -> subprocess.Popen[bytes]:
    line = [str(word) for word in (BIN / "nnplug", *words)]
    variables = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(line, cwd=cwd, env=variables, stdout=subprocess.DEVNULL, stderr=errors)


def write_nifti(path: Path, volume: np.ndarray, spacing: float = 1.0) -> None:
    """Write a NIfTI file (z, y, x), compressed if its name says so; faster than ITK for thousands of small ones."""
    kind = {"uint8": 2, "int16": 4}[volume.dtype.name]
    z, y, x = volume.shape
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, 3, x, y, z, 1, 1, 1, 1)
    struct.pack_into("<2h", head, 70, kind, 8 * volume.itemsize)
    struct.pack_into("<8f", head, 76, 1, *[spacing] * 3, 1, 1, 1, 1)
    struct.pack_into("<3f", head, 108, 352, 1, 0)
    head[123] = 2
    struct.pack_into("<2h", head, 252, 1, 0)
    head[344:348] = b"n+1\0"
    if path.name.endswith(".gz"):
        path.write_bytes(gzip.compress(bytes(head) + volume.tobytes(), 1))
        return
    with path.open("wb") as file:
        file.write(head)
        for plane in volume:
            file.write(plane.tobytes())


def write_cases(folder: Path, count: int) -> Path:
    """Write a dataset of small cases of one channel, and return its folder."""
    dataset = folder / "Dataset001_Many"
    rng = np.random.default_rng(0)
    for part in ("imagesTr", "labelsTr"):
        (dataset / part).mkdir(parents=True)
    label = np.zeros((12, 14, 12), np.uint8)
    label[4:8, 4:8, 4:8] = 1
    for number in range(count):
        image = rng.integers(1, 200, label.shape).astype(np.int16) + 200 * label.astype(np.int16)
        write_nifti(dataset / "imagesTr" / f"case_{number:05d}_0000.nii.gz", image)
        write_nifti(dataset / "labelsTr" / f"case_{number:05d}.nii.gz", label)
    described = {"channel_names": {"0": "MRI"}, "labels": {"background": 0, "a": 1}, "file_ending": ".nii.gz"}
    (dataset / "dataset.json").write_text(json.dumps({**described, "numTraining": count}))
    return dataset


def cases(folder: Path, count: int) -> Iterable[dict[str, Any]]:
    """Yield a line per step from verify to the first epoch, then one for each step of a restart."""
    dataset = write_cases(folder, count)
    both, one = (dataset, "-w", "w"), ("-c", "3d_fullres")
    prepared = {
        "verify": ("verify", dataset, "--workers", 1),
        "fingerprint": ("fingerprint", *both, "--workers", 1),
        "plan": ("plan", *both, *one, *SMALL),
        "preprocess": ("preprocess", *both, *one, "--workers", 1),
    }
    again = {
        "preprocess again": prepared["preprocess"],
        "run again": ("run", *both, *one, "--until", "preprocess", "--device", "cpu", *SMALL),
    }
    for step, words in prepared.items():
        yield _line("cases", count, step, run(*words, cwd=folder))
    yield _line("cases", count, "first epoch", _first_epoch(folder, both, one))
    run(*again["run again"], cwd=folder)  # notes that the data are verified
    for step, words in again.items():
        yield _line("cases", count, step, run(*words, cwd=folder))


def _first_epoch(folder: Path, both: Sequence[object], one: Sequence[object]) -> Seen:
    """Train an epoch of a fold that validates two cases, since the time of validation is that of predictions."""
    names = [f"case_{number:05d}" for number in range(_count(folder))]
    splits = [{"train": names[2:], "val": names[:2]}]
    (folder / "splits.json").write_text(json.dumps(splits))
    run("split", *both, "--file", "splits.json", cwd=folder)
    return run("train", *both, *one, "-f", 0, *ON_CPU, "--workers", 1, cwd=folder)


def _count(folder: Path) -> int:
    return len(list((folder / "Dataset001_Many" / "labelsTr").iterdir()))


def model(folder: Path, patch: int) -> Path:
    """Train a network of one feature map for an iteration, and return its run.

    It is as small as it can be, because an image of 1024^3 voxels has 4096 windows of 64^3.
    """
    dataset = write_cases(folder, 6)
    smallest = ("--set", "planner.base_features=1", "--set", "planner.max_features=2")
    size = ("--set", f"plan.patch_size=[{patch},{patch},{patch}]")
    words = ("run", dataset, "-w", "w", "-c", "3d_fullres", "-f", "all", *ON_CPU, "--until", "train")
    run(*words, *SMALL, *smallest, *size, cwd=folder)
    return folder / "w" / dataset.name / "runs" / "nnunet" / "3d_fullres" / "fold_all"


def images(folder: Path, count: int) -> Iterable[dict[str, Any]]:
    """Predict many small images in one call, and yield its memory and open files from time to time."""
    trained, given = model(folder, 16), folder / "images"
    given.mkdir()
    image = np.random.default_rng(0).integers(1, 200, (12, 14, 12)).astype(np.int16)
    for number in range(count):
        write_nifti(given / f"image_{number:05d}_0000.nii.gz", image + np.int16(number % 7))
    words = ("predict", *ON_CPU, "-i", given, "-o", folder / "out", "-m", trained)
    started = _start(*words, cwd=folder, errors=subprocess.DEVNULL)
    yield from _watched(started, folder / "out", [count // 20, count // 2, count - count // 20])
    if started.wait():
        raise RuntimeError(f"{words}: exit code {started.returncode}")


def _watched(started: subprocess.Popen[bytes], out: Path, at: Sequence[int]) -> Iterable[dict[str, Any]]:
    from tests.torture.process import Process

    begun, waiting = time.monotonic(), list(at)
    while started.poll() is None and waiting:
        done = len(list(out.glob("*.nii.gz"))) if out.is_dir() else 0
        if done >= waiting[0]:
            sample = Process(started.pid).sample()
            seen = Seen(0, time.monotonic() - begun, sample["memory"])
            yield {**_line("images", done, "predict", seen), "files": sample["files"]}
            waiting.pop(0)
        time.sleep(0.02)


def volume(folder: Path, size: int) -> Iterable[dict[str, Any]]:
    """Predict one volume of size^3 voxels on the grid of the network, and one that has to be resampled to it."""
    trained = model(folder, 64)
    for spacing in (0.5, 1.0):
        given = folder / f"volume_{spacing:g}_0000.nii"
        planes = np.random.default_rng(0).integers(1, 200, (8, size, size)).astype(np.int16)
        write_nifti(given, np.repeat(planes, size // 8, axis=0), spacing)
        words = ("predict", *ON_CPU, "--step-size", 1, "-i", given, "-o", folder / "out", "-m", trained)
        yield _line("volume", size, f"predict, {spacing:g} mm", run(*words, cwd=folder))
        given.unlink()


def _line(part: str, count: int, step: str, seen: Seen) -> dict[str, Any]:
    rounded = {"cpu": round(seen.cpu, 2), "seconds": round(seen.seconds, 1), "memory": seen.memory}
    return {"part": part, "count": count, "step": step, **rounded}


PARTS = {"cases": (cases, (1000, 3000, 10000)), "images": (images, (2000,)), "volume": (volume, (1024,))}


def table(past: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows: a row per step and number of cases, of images, and per volume."""
    heads = ["what", "step", "CPU seconds", "ms per case", "wall-clock seconds", "memory, MB", "open files"]
    rows = []
    for line in past:
        what = f"{line['count']}^3 voxels" if line["part"] == "volume" else f"{line['count']:,} {line['part']}"
        cpu = f"{line['cpu']:.1f}" if line["cpu"] else ""
        each = f"{1000 * line['cpu'] / line['count']:.1f}" if line["part"] == "cases" else ""
        numbers = (f"{line['seconds']:.0f}", f"{line['memory'] / 1e6:.0f}", str(line.get("files", "")))
        rows.append([what, line["step"], cpu, each, *numbers])
    return heads, rows


def grown(past: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what grows with the number of cases or images, and volumes that take more than `BUDGET`."""
    of = {part: [line for line in past if line["part"] == part] for part in PARTS}
    large = [line for line in of["volume"] if line["memory"] > BUDGET]
    found = [f"{line['count']}^3 voxels took {line['memory'] / 1e9:.1f} GB" for line in large]
    for step in sorted({line["step"] for line in of["cases"]}):
        own = sorted((line for line in of["cases"] if line["step"] == step), key=lambda line: line["count"])
        first, last = (line["cpu"] / line["count"] for line in (own[0], own[-1]))
        found += [f"{step} takes longer per case"] if last > SLOWER * first else []
    if of["images"]:
        first, last = of["images"][0], of["images"][-1]
        found += ["files stay open"] if last["files"] > first["files"] + 1 else []
        found += ["predictions take more and more memory"] if last["memory"] > SLOWER * first["memory"] else []
    return found


def main(words: Sequence[str] | None = None) -> int:
    """Run the parts; the exit code is 1 if something grows."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.size", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--counts", nargs="+", type=int, help="other numbers than those of the long form")
    parser.add_argument("--lines", type=Path, default=SCRATCH / "size.jsonl")
    parser.add_argument("--folder", type=Path, default=SCRATCH / "size")
    parser.add_argument("--keep", action="store_true", help="write the table for the page")
    chosen = parser.parse_args(words)
    lines = Lines(chosen.lines)
    for part in chosen.parts:
        measure, counts = PARTS[part]
        for count in chosen.counts or counts:
            shutil.rmtree(chosen.folder, ignore_errors=True)
            chosen.folder.mkdir(parents=True)
            for line in measure(chosen.folder, count):
                lines.add(line)
    if chosen.keep or chosen.counts is None:
        notes = [f"Fault: {what}." for what in grown(lines.past)]
        keep("size", "python -m tests.torture.size", table(lines.past), *notes)
    return int(bool(grown(lines.past)))


if __name__ == "__main__":
    sys.exit(main())
