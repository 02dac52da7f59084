"""A training that was stopped and goes on has the weights of one that was not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file

from gpu.row import Row
from gpu.scenes import HIPPOCAMPUS, Scene, make_task, small
from gpu.sections.amp import Stopping
from gpu.site import Site
from nnplug_nnunet.training.setup import complete_patch_centres
from nnplug_nnunet.training.trainer import NnUNetTrainer


def rows(site: Site) -> Iterator[Row]:
    """Yield the largest difference of weights, by default and with deterministic algorithms."""
    scene = small(HIPPOCAMPUS) if site.tiny else replace(HIPPOCAMPUS, batch=2)
    for what, deterministic in (("by default", False), ("deterministic", True)):
        with _algorithms(deterministic):
            straight, again, resumed = (_weights(site, scene, stop=stop) for stop in (False, False, True))
        bound = 0.0 if deterministic else None
        for kind, other in (("a second time", again), ("stopped and resumed", resumed)):
            difference = max(float((straight[name] - other[name]).abs().max()) for name in straight)
            yield Row(section="resume", what=f"{what}, {kind}: difference of weights", value=difference, at_most=bound)


def _weights(site: Site, scene: Scene, *, stop: bool) -> dict[str, torch.Tensor]:
    """Return the final weights of a short training."""
    iterations = site.pick(20, 3)
    length = {"epochs": 3, "iterations_per_epoch": iterations, "val_iterations_per_epoch": 2}
    with TemporaryDirectory() as folder:
        task = make_task(scene, Path(folder), site.torch_device, workers=4)
        complete_patch_centres(task)
        if stop:
            try:
                Stopping(**length).train(task)
            except KeyboardInterrupt:
                task = make_task(scene, Path(folder), site.torch_device, workers=4)
        NnUNetTrainer(**length).train(task)
        return load_file(task.run.final_weights)


@contextmanager
def _algorithms(deterministic: bool) -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
