"""Whole epochs of nnunetv2's trainer on Hippocampus, compiled as by default."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from harness.nnunet import number

from gpu import nnunet
from gpu.row import Row
from gpu.sections.epoch import rows_of
from gpu.site import Site

TRAIN = Path(__file__).parents[2] / "peers" / "train.py"
PREPARE = "from nnunetv2.experiment_planning.plan_and_preprocess_entrypoints import plan_and_preprocess_entry as m; m()"


def rows(site: Site) -> Iterator[Row]:
    """Yield the median epoch."""
    if site.dataset is None or site.tiny:
        yield Row(section="epoch_nnunetv2", what="Hippocampus", value=None, note="not in a rehearsal")
        return
    variables = {**os.environ, **nnunet.use_folders(site)}
    prepare = [sys.executable, "-c", PREPARE, "-d", number(site.dataset), "-c", "3d_fullres"]
    subprocess.run(prepare, check=True, env=variables, stdout=subprocess.DEVNULL)
    log, options = site.scratch / "nnunetv2.jsonl", site.scratch / "nnunetv2.json"
    length = {"iterations": 250, "val_iterations": 50, "epochs": 4, "batch": None, "device": site.device}
    options.write_text(
        json.dumps({"dataset": site.dataset.name, "configuration": "3d_fullres", "log": str(log), **length})
    )
    subprocess.run([sys.executable, str(TRAIN), str(options)], check=True, env=variables, stdout=subprocess.DEVNULL)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    yield from rows_of("epoch_nnunetv2", "Hippocampus", lines)
