"""Train a step on the pretended device: `python train.py LIBRARY SCENE ..` prints the counts of each scene as JSON."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pretended


@dataclass(frozen=True)
class Scene:
    """A training with random cases.

    Attributes:
        channels: of the images.
        classes: the number of classes, with the background.
        features: of each stage.
        patch: (z, y, x) voxels.
        batch: patches per iteration.
        shape: of the cases, (z, y, x) voxels.
        regions: whether the labels are nested regions.
        previous: whether the training refines the label maps of a previous stage.
        network: the architecture.
        augmenter: options of nnU-Net's augmenter.
    """

    channels: int = 1
    classes: int = 3
    features: tuple[int, ...] = (32, 64, 128, 256)
    patch: tuple[int, ...] = (40, 56, 40)
    batch: int = 9
    shape: tuple[int, ...] = (36, 50, 35)
    regions: bool = False
    previous: bool = False
    network: str = "plain-conv-unet"
    augmenter: Mapping[str, Any] = field(default_factory=dict)

    @property
    def labels(self) -> Any:
        """The labels of the cases."""
        from nnplug.dataset.labels import Labels

        last = range(1, self.classes)
        if not self.regions:
            return Labels({"background": (0,), **{f"c{i}": (i,) for i in last}})
        nested = {f"r{i}": tuple(range(i, self.classes)) for i in last}
        return Labels({"background": (0,), **nested}, regions_class_order=tuple(last))


_LARGE = (32, 64, 128, 256, 320, 320)
_BRATS = {"channels": 4, "classes": 4, "features": _LARGE, "patch": (128,) * 3, "batch": 2, "shape": (140, 171, 137)}
_SMALL = {"features": (8, 16, 32), "patch": (16,) * 3, "batch": 2, "shape": (24,) * 3}
_STRONG = ("p_elastic", "p_rotation", "p_scaling", "p_noise", "p_blur", "p_contrast", "p_low_resolution", "p_gamma")
SCENES = {
    "hippocampus": Scene(),
    "brats": Scene(**_BRATS),
    "brats-regions": Scene(**_BRATS, regions=True),
    "105-classes": Scene(classes=105, features=_LARGE, patch=(96, 160, 160), batch=2, shape=(100, 170, 170)),
    "regions": Scene(**_SMALL, classes=4, regions=True),
    "residual": Scene(**_SMALL, network="residual-encoder-unet"),
    "cascade": Scene(**_SMALL, previous=True),
    "strong": Scene(**_SMALL, augmenter={"interpolation": "cubic", **dict.fromkeys(_STRONG, 1.0)}),
}


def make_task(scene: Scene, folder: Path) -> Any:
    """Return the task of a training with two cases."""
    import numpy as np
    import torch

    from nnplug.contracts import Topology, TrainingTask
    from nnplug.plans.plans import Choice, Configuration, Normalization, Resampling
    from nnplug.registry.components import Kind
    from nnplug.registry.loader import Plugins
    from nnplug.runtime.progress import Silent
    from nnplug.testing import samples
    from nnplug.workspace.layout import RunFolder
    from nnplug_nnunet.augmentation import NnunetAugmenter

    def volume(seed: int) -> Any:
        draws = np.random.default_rng(seed)
        image = draws.standard_normal((scene.channels, *scene.shape), np.float32)
        return image, draws.integers(0, scene.classes, scene.shape).astype(np.int16)

    stages = len(scene.features)
    topology = Topology(
        strides=((1,) * 3, *((2,) * 3,) * (stages - 1)),
        kernel_sizes=((3,) * 3,) * stages,
        features_per_stage=scene.features,
    )
    registry = Plugins().registry
    entry = registry.get(Kind.ARCHITECTURE, scene.network)
    configuration = Configuration(
        spacing=(1.0,) * 3,
        patch_size=scene.patch,
        batch_size=scene.batch,
        median_shape=tuple(map(float, scene.shape)),
        normalization=(Normalization(name="zscore", use_mask=False),) * scene.channels,
        resampling=Resampling(),
        batch_dice=False,
        architecture=Choice(name=scene.network),
        previous_stage="low" if scene.previous else None,
    )
    labels = scene.labels
    previous = folder / "previous" if scene.previous else None
    write_cases = pretended.outside(samples.write_cases)
    cases = write_cases(folder / "cases", previous=previous, make=volume, make_previous=volume, names="ab")
    run = RunFolder(folder / "runs" / "a" / "b" / "fold_0")
    run.path.mkdir(parents=True)
    channels = scene.channels + len(configuration.previous_labels(labels))
    network = entry.create(entry.load().options_for(topology)).build(channels=channels, outputs=labels.outputs)
    return TrainingTask(
        network=network,
        configuration=configuration,
        labels=labels,
        cases=cases,
        training=("a", "b"),
        validation=("a",),
        augmenter=NnunetAugmenter(**scene.augmenter),
        masked_channels=(),
        device=torch.device("cuda"),
        run=run,
        seed=0,
        workers=1,
        progress=Silent(),
    )


def fail(notice: str) -> None:
    """Raise an error instead of telling that no graph can be made."""
    raise AssertionError(notice)


def phased(mode: Any, *, iterations: int) -> Any:
    """Return nnU-Net's trainer, which names the parts of its step in `mode.phase`."""
    from nnplug_nnunet.training.trainer import NnUNetTrainer

    class Phased(NnUNetTrainer):
        def training_step(self, state: Any, batch: Any) -> Any:
            state.zero_gradients()
            mode.phase = "forward"
            logits = state.forward(batch.image)
            mode.phase = "loss"
            loss = state.supervised_loss(logits, batch.target)
            mode.phase = "backward"
            state.backward(loss)
            mode.phase = "optimiser"
            state.update(self.gradient_clip)
            return loss.detach()

    return Phased(compile="never", epochs=1, iterations_per_epoch=iterations, val_iterations_per_epoch=1)


def fake(batch: Any) -> Any:
    """Return the batch of a loader's thread, where no mode holds, as fake tensors of page-locked memory."""
    from nnplug_nnunet.training.patches.batches import DrawnBatch

    if isinstance(batch, DrawnBatch):
        return replace(batch, groups=tuple(map(fake, batch.groups)))
    return replace(batch, image=batch.image.pin_memory(), label=batch.label.pin_memory())


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


def train(scene: Scene, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the counts of a training step as a graph replays it, and of a validation step."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    from nnplug_nnunet.training.graphs.graphed_step import WARM_UP, GraphedStep
    from nnplug_nnunet.training.loop import Training
    from nnplug_nnunet.training.patches.source import Stream
    from nnplug_nnunet.training.scores import confusion
    from nnplug_nnunet.training.setup import index_cases, make_loader
    from nnplug_nnunet.training.state import PatchBatch

    with FakeTensorMode(allow_non_fake_inputs=True), pretended.watch() as mode:
        task = make_task(scene, folder)
        pretended.outside(index_cases)(task)
        trainer = phased(mode, iterations=WARM_UP + 2)
        training = Training(trainer, task)
        training.network.train()
        step = GraphedStep(trainer.training_step, Repeats(), fail)
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


def main(library: str, *names: str) -> None:
    """Train the scenes, and print the counts of a training step and of a validation step, each on a line."""
    pretended.pretend(Path(library))
    pretended.set_free_memory(60 << 30)
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            for counts in train(SCENES[name], Path(folder)):
                sys.stdout.write(json.dumps({"scene": name, **counts}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
