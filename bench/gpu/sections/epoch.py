"""Whole epochs of the command `nnplug train` on Hippocampus: seconds and the share of waiting for data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.session import output_of, run_commands

from gpu.command import NNPLUG
from gpu.row import Row
from gpu.site import Site


def rows(site: Site) -> Iterator[Row]:
    """Yield the median epoch for several numbers of workers."""
    if site.dataset is None:
        yield Row(section="epoch", what="Hippocampus", value=None, note="the dataset is not here")
        return
    for workers in (1,) if site.tiny else (8, 1):
        lines = train(site, site.scratch / f"epoch_{workers}", epochs=site.pick(4, 2), options=[f"--workers={workers}"])
        yield from rows_of("epoch", f"Hippocampus, {workers} workers", lines)


def rows_of(section: str, what: str, lines: list[Mapping[str, Any]]) -> Iterator[Row]:
    """Yield the figures of the epochs after the first."""
    later = sorted(lines[1:], key=lambda line: line["seconds"])
    line = later[len(later) // 2]
    first = f"first {lines[0]['seconds']:.1f} s"
    yield Row(section=section, what=f"{what}: epoch", value=line["seconds"], unit="s", note=first)
    if "wait_seconds" in line:
        yield Row(section=section, what=f"{what}: share of waiting", value=line["wait_seconds"] / line["seconds"])


def train(site: Site, workspace: Path, *, epochs: int, options: list[str]) -> list[Mapping[str, Any]]:
    """Train fold 0 with the command, and return the lines of its log."""
    run = [*NNPLUG, "run", str(site.dataset), "-w", str(workspace), "-c", "3d_fullres", *sizes(site)]
    output_of([*run, "--until", "preprocess"])
    length = [f"--set=trainer.epochs={epochs}"]
    run_commands([[*run, "-f", "0", "--device", site.device, *length, *options, "--until", "train"]])
    (log,) = workspace.glob("*/runs/*/3d_fullres/fold_0/log.jsonl")
    return [json.loads(line) for line in log.read_text().splitlines()]


def sizes(site: Site) -> list[str]:
    """Return the options that make a training tiny."""
    if not site.tiny:
        return []
    lengths = ("trainer.iterations_per_epoch=2", "trainer.val_iterations_per_epoch=1", "plan.batch_size=2")
    return ["--set=planner.base_features=4", *(f"--set={length}" for length in lengths)]
