"""The Dice of a short training on whole validation images, and its time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from harness.session import output_of

from gpu.command import NNPLUG
from gpu.row import Row
from gpu.sections.epoch import sizes, train
from gpu.site import Site

EPOCHS = 40


def rows(site: Site) -> Iterator[Row]:
    """Yield seconds of the training and the Dice of fold 0."""
    if site.dataset is None:
        yield Row(section="dice", what="Hippocampus", value=None, note="the dataset is not here")
        return
    workspace, epochs = site.scratch / "dice", site.pick(EPOCHS, 2)
    started = time.perf_counter()
    lines = train(site, workspace, epochs=epochs, options=[])
    yield Row(section="dice", what=f"{epochs} epochs, start included", value=time.perf_counter() - started, unit="s")
    yield Row(section="dice", what="pseudo Dice of the last epoch", value=lines[-1]["mean_dice"])
    run = [*NNPLUG, "run", str(site.dataset), "-w", str(workspace), "-c", "3d_fullres", *sizes(site)]
    full = [*run, "-f", "0", "--device", site.device, f"--set=trainer.epochs={epochs}", "--until", "validate", "--json"]
    (scores,) = json.loads(output_of(full))["scores"]
    yield Row(section="dice", what="Dice of the validation images", value=scores["foreground_mean"]["Dice"])
