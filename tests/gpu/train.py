"""Train a step on the pretended device: `python train.py LIBRARY SCENE ..` prints the counts of each scene as JSON."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pretended

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
if __name__ == "__main__":
    pretended.pretend(Path(sys.argv[1]))  # before PyTorch asks for the devices of this machine

from gpu.scenes import Scene, make_task

_LARGE = (32, 64, 128, 256, 320, 320)
_BRATS = {"channels": 4, "classes": 4, "features": _LARGE, "patch": (128,) * 3, "batch": 2, "shape": (140, 171, 137)}
_SMALL = {"features": (8, 16, 32), "patch": (16,) * 3, "batch": 2, "shape": (24,) * 3}
_STRONG = ("p_elastic", "p_rotation", "p_scaling", "p_noise", "p_blur", "p_contrast", "p_low_resolution", "p_gamma")
_PREVIOUS = ("p_previous_morphology", "p_previous_morphology_label", "p_previous_removal", "p_previous_removal_label")
SCENES = {
    "hippocampus": Scene(),
    "brats": Scene(**_BRATS),
    "brats-regions": Scene(**_BRATS, regions=True),
    "105-classes": Scene(classes=105, features=_LARGE, patch=(96, 160, 160), batch=2, shape=(100, 170, 170)),
    "regions": Scene(**_SMALL, classes=4, regions=True),
    "residual": Scene(**_SMALL, network="residual-encoder-unet"),
    "cascade": Scene(**_SMALL, previous=True, augmenter=dict.fromkeys(_PREVIOUS, 1.0)),
    "muon": Scene(**_SMALL),
    "strong": Scene(**_SMALL, augmenter={"interpolation": "cubic", **dict.fromkeys(_STRONG, 1.0)}),
}


def fail(notice: str) -> None:
    """Raise an error instead of telling that no graph can be made."""
    raise AssertionError(notice)


def phased(mode: Any, base: type[Any], *, iterations: int, **options: Any) -> Any:
    """Return a trainer, which names the parts of its step in `mode.phase`."""

    def followed(result: Any, phase: str) -> Any:
        """Return a result; the next phase begins."""
        mode.phase = phase
        return result

    class Phased(base):  # type: ignore[misc]
        def training_step(self, state: Any, batch: Any) -> Any:
            state.zero_gradients()
            mode.phase = "forward"
            # no variable for the logits, as in the trainer: it would keep them in memory during the backward pass
            loss = state.supervised_loss(followed(state.forward(batch.image), "loss"), batch.target)
            mode.phase = "backward"
            state.backward(loss)
            mode.phase = "optimiser"
            state.update(self.gradient_clip)
            return loss.detach()

    return Phased(compile="never", epochs=1, iterations_per_epoch=iterations, val_iterations_per_epoch=1, **options)


def fake(batch: Any) -> Any:
    """Return the batch of a loader's thread, where no mode holds, as fake tensors of page-locked memory."""
    from nnplug_nnunet.training.patches.batches import DrawnBatch

    if isinstance(batch, DrawnBatch):
        return replace(batch, groups=tuple(map(fake, batch.groups)))
    previous = {} if getattr(batch, "previous", None) is None else {"previous": batch.previous.pin_memory()}
    return replace(batch, image=batch.image.pin_memory(), label=batch.label.pin_memory(), **previous)


class Repeats:
    """Records a step by keeping it, and replays it by computing it again: what a graph would launch is counted."""

    def aside(self) -> Any:
        """Let work run as it is."""
        return contextlib.nullcontext()

    def record(self, work: Any) -> Any:
        """Compute nothing."""
        import torch

        place = torch.zeros((), device="cuda")
        return lambda: place.copy_(work()), place


def train(name: str, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the counts of a training step, as a graph replays it unless the scene is "muon", and of a validation."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    from nnplug.testing import samples
    from nnplug_fast.trainer import FastTrainer
    from nnplug_nnunet.training.graphs.graphed_step import WARM_UP, GraphedStep
    from nnplug_nnunet.training.loop import Training
    from nnplug_nnunet.training.patches.source import Stream
    from nnplug_nnunet.training.scores import confusion
    from nnplug_nnunet.training.setup import complete_patch_centres, make_loader
    from nnplug_nnunet.training.state import PatchBatch
    from nnplug_nnunet.training.trainer import NnUNetTrainer

    scene = SCENES[name]
    with FakeTensorMode(allow_non_fake_inputs=True), pretended.watch() as mode:
        task = make_task(scene, folder, torch.device("cuda"), write=pretended.outside(samples.write_cases))
        task = replace(task, accelerate=lambda network, _: network)
        pretended.outside(complete_patch_centres)(task)
        if name == "muon":
            trainer = phased(mode, FastTrainer, iterations=WARM_UP + 2, optimizer="muon", initial_lr=0.003)
        else:
            trainer = phased(mode, NnUNetTrainer, iterations=WARM_UP + 2)
        training = Training(trainer, task)
        training.network.train()
        step = trainer.training_step if name == "muon" else GraphedStep(trainer.training_step, Repeats(), fail)
        with make_loader(trainer, task, Stream.TRAINING, 0) as batches:
            for batch in batches:
                mode.restart()
                mode.phase = "augment"
                step(training.state, PatchBatch(*fake(batch).on(task.device)))
        counts = mode.counts.data()
        training.network.eval()
        with torch.no_grad(), make_loader(trainer, task, Stream.VALIDATION, 0) as batches:
            mode.restart()
            mode.phase = "validation"
            patches = PatchBatch(*fake(next(iter(batches))).on(task.device))
            confusion(trainer.validation_step(training.state, patches).logits, patches.target, task.labels)
        return counts, mode.counts.data()


def main(*names: str) -> None:
    """Train the scenes, and print the counts of a training step and of a validation step, each on a line."""
    pretended.set_free_memory(60 << 30)
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            for counts in train(name, Path(folder)):
                sys.stdout.write(json.dumps({"scene": name, **counts}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[2:])
