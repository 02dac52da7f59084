"""Training in half precision: overflow, the scaler's state, and a run that moves between devices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from gpu.row import Row
from gpu.scenes import HIPPOCAMPUS, Scene, make_task, small
from gpu.site import Site
from nnplug_nnunet.training.callbacks import Callback
from nnplug_nnunet.training.graphs.choice import choose_step
from nnplug_nnunet.training.loop import Training
from nnplug_nnunet.training.options import CudaGraph
from nnplug_nnunet.training.setup import complete_patch_centres
from nnplug_nnunet.training.state import PatchBatch
from nnplug_nnunet.training.trainer import NnUNetTrainer


class StopAtCheckpoint(Callback):
    """Stops a training when its state is saved."""

    def on_checkpoint(self, state: Any, path: Path) -> None:
        """Raise once the file is the state of the training."""
        if path == state.task.run.state:
            raise KeyboardInterrupt


@dataclass(frozen=True, kw_only=True)
class Stopping(NnUNetTrainer):
    """nnU-Net's trainer, stopped at its first saved state."""

    def callbacks(self) -> Sequence[Callback]:
        """See `PatchSteps`."""
        return (StopAtCheckpoint(),)


def rows(site: Site) -> Iterator[Row]:
    """Yield the loss after many steps that begin with an overflow, and whether runs go on elsewhere."""
    scene = small(HIPPOCAMPUS) if site.tiny else replace(HIPPOCAMPUS, batch=2)
    yield from _overflow(site, scene)
    for what, first, second in (
        ("begun on the CPU", "cpu", site.device),
        ("begun on the device", site.device, "cpu"),
    ):
        yield _moved(small(HIPPOCAMPUS), what, torch.device(first), torch.device(second))


def _overflow(site: Site, scene: Scene) -> Iterator[Row]:
    """Train with a loss scale so large that the first step overflows float16, layer by layer and as a CUDA graph."""
    losses, weights = _steps(site, scene, "never")
    graphed, other = _steps(site, scene, "auto")
    lost = int((~weights.isfinite()).sum()) + int((~other.isfinite()).sum())
    yield Row(section="amp", what="weights not finite after the overflow", value=lost, at_most=0)
    rise = float(max(losses[-1] - losses[0], graphed[-1] - graphed[0]))
    yield Row(section="amp", what="loss of the last step minus the first", value=rise, at_most=0.0)
    early = (losses - graphed).abs()[:20].max()
    yield Row(section="amp", what="loss of 20 steps as a CUDA graph: difference", value=float(early), at_most=1e-2)


def _steps(site: Site, scene: Scene, graph: CudaGraph) -> tuple[Tensor, Tensor]:
    """Return the losses of many steps on one batch, and the weights after them, on the CPU."""
    trainer, device = NnUNetTrainer(compile="never", epochs=1, cuda_graph=graph), site.torch_device
    with TemporaryDirectory() as folder:
        training = Training(trainer, make_task(scene, Path(folder), device))
    scaler = torch.amp.GradScaler(site.device, init_scale=2.0**40, enabled=training.scaler.is_enabled())
    state = replace(training.state, scaler=scaler)
    step = choose_step(trainer, state, training.callbacks)
    image, label = (torch.from_numpy(a) for a in scene.volume(0))
    shape = [slice(0, p) for p in scene.patch]
    pair = (image[:, *shape], label[None, *shape])
    batch = PatchBatch(*(_padded(t[None, ...].to(device), scene.patch) for t in pair))
    training.network.train()
    losses = torch.stack([step(state, batch) for _ in range(site.pick(300, 25))]).cpu()
    return losses, torch.cat([p.detach().flatten().cpu() for p in training.network.parameters()])


def _padded(tensor: Tensor, patch: tuple[int, ...]) -> Tensor:
    """Return (1, C, *patch), padded with zeros at the ends."""
    missing = [n for p, s in zip(reversed(patch), reversed(tensor.shape), strict=False) for n in (0, p - s)]
    return torch.nn.functional.pad(tensor, missing)


def _moved(scene: Scene, what: str, first: torch.device, second: torch.device) -> Row:
    """Stop a training on one device and go on with it on another."""
    length = {"epochs": 3, "iterations_per_epoch": 4, "val_iterations_per_epoch": 1}
    with TemporaryDirectory() as folder:
        task = make_task(scene, Path(folder), first)
        complete_patch_centres(task)
        with suppress(KeyboardInterrupt):
            Stopping(compile="never", **length).train(task)
        NnUNetTrainer(compile="never", **length).train(make_task(scene, Path(folder), second))
        done = task.run.final_weights.exists()
    return Row(section="amp", what=f"a run {what} goes on: finished", value=int(done), at_least=1)
