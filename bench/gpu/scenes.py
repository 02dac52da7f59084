"""Trainings and models of the sizes of real ones, with random data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from nnplug.contracts import Topology, TrainingTask
from nnplug.contracts.attributed.logits_check import LogitsCheck
from nnplug.dataset.description import DatasetDescription
from nnplug.models.acceleration import accelerated
from nnplug.models.bundle import Contents, pack
from nnplug.plans.plans import Choice, Configuration, Normalization, Plans, Resampling
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug.registry.provenance import record
from nnplug.runtime.progress import Silent
from nnplug.testing import samples
from nnplug.workspace.case_store import CaseStore
from nnplug.workspace.layout import RunFolder
from nnplug.workspace.run_record import Precision
from nnplug_nnunet.augmentation import NnunetAugmenter

Weights = dict[str, torch.Tensor]
Change = Callable[[Weights], Weights]
LARGE = (32, 64, 128, 256, 320, 320)


@dataclass(frozen=True)
class Scene:
    """A network and its images.

    Attributes:
        channels: of the images.
        classes: the number of classes, with the background.
        features: of each stage.
        patch: (z, y, x) voxels.
        batch: patches per iteration.
        shape: of the images, (z, y, x) voxels.
        regions: whether the labels are nested regions.
        network: the architecture.
        folds: whose logits are averaged.
        previous: whether the training refines the label maps of a previous stage.
        augmenter: options of the augmenter.
    """

    channels: int = 1
    classes: int = 3
    features: tuple[int, ...] = (32, 64, 128, 256)
    patch: tuple[int, ...] = (40, 56, 40)
    batch: int = 9
    shape: tuple[int, ...] = (36, 50, 35)
    regions: bool = False
    network: str = "plain-conv-unet"
    folds: int = 1
    previous: bool = False
    augmenter: Mapping[str, Any] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Any]:
        """The labels as in dataset.json."""
        last = range(1, self.classes)
        if self.regions:
            return {"background": 0, **{f"r{i}": list(range(i, self.classes)) for i in last}}
        return {"background": 0, **{f"c{i}": i for i in last}}

    @property
    def description(self) -> DatasetDescription:
        """The dataset."""
        raw = {
            "channel_names": {str(c): f"MR{c}" for c in range(self.channels)},
            "labels": self.values,
            "numTraining": 2,
            "file_ending": ".nii.gz",
            **({"regions_class_order": list(range(1, self.classes))} if self.regions else {}),
        }
        return DatasetDescription.from_data(raw, "dataset.json")

    @property
    def configuration(self) -> Configuration:
        """The plan for this scene."""
        topology = Topology(
            strides=((1,) * 3, *((2,) * 3,) * (len(self.features) - 1)),
            kernel_sizes=((3,) * 3,) * len(self.features),
            features_per_stage=self.features,
        )
        entry = Plugins().registry.get(Kind.ARCHITECTURE, self.network)
        options = json.loads(json.dumps(entry.load().options_for(topology)))
        return Configuration(
            spacing=(1.0,) * 3,
            patch_size=self.patch,
            batch_size=self.batch,
            median_shape=tuple(map(float, self.shape)),
            normalization=(Normalization(name="zscore", use_mask=False),) * self.channels,
            resampling=Resampling(),
            batch_dice=False,
            architecture=Choice(name=self.network, options=options),
            previous_stage="low" if self.previous else None,
        )

    def build(self) -> Any:
        """Return the network on the CPU, from the seed 0."""
        torch.manual_seed(0)
        configuration, labels = self.configuration, self.description.labels
        entry = Plugins().registry.get(Kind.ARCHITECTURE, self.network)
        channels = self.channels + len(configuration.previous_labels(labels))
        architecture = entry.create(dict(configuration.architecture.options))
        network = architecture.build(channels=channels, outputs=labels.outputs)
        network.register_forward_hook(LogitsCheck(architecture, labels.outputs))  # as in every training
        return network

    def volume(self, seed: int) -> tuple[Any, Any]:
        """Return a random image (C, z, y, x) float32, and a label map (z, y, x) int16 of boxes that brighten it."""
        draws, label = np.random.default_rng(seed), np.zeros(self.shape, np.int16)
        for k in range(1, self.classes):
            corner = [int(draws.integers(0, max(n // 2, 1))) for n in self.shape]
            box = tuple(slice(c, c + n // 3 + 1) for c, n in zip(corner, self.shape, strict=True))
            label[box] = k
        image = draws.standard_normal((self.channels, *self.shape), np.float32)
        return image + label, label


def small(scene: Scene) -> Scene:
    """Return a scene for a rehearsal."""
    features = tuple(4 * (i + 1) for i in range(3))
    return replace(
        scene, features=features, patch=(16,) * 3, batch=2, shape=(20, 24, 20), classes=min(scene.classes, 5)
    )


HIPPOCAMPUS = Scene()
BRATS = Scene(channels=4, classes=4, features=LARGE, patch=(128,) * 3, batch=2, shape=(140, 171, 137))
MANY_CLASSES = Scene(classes=60, features=LARGE, patch=(128,) * 3, batch=2, shape=(320,) * 3)


def make_task(
    scene: Scene,
    folder: Path,
    device: torch.device,
    *,
    workers: int = 1,
    write: Callable[..., CaseStore] = samples.write_cases,
) -> TrainingTask:
    """Return the task of a training with two cases; the same folder gives the same run.

    Args:
        scene: network and images.
        folder: for cases and run.
        device: of the training.
        workers: threads of the loader.
        write: writes the cases.
    """
    previous = folder / "previous" if scene.previous else None
    cases = write(folder / "cases", previous=previous, make=scene.volume, make_previous=scene.volume, names="ab")
    run = RunFolder(folder / "runs" / "a" / "b" / "fold_0")
    run.path.mkdir(parents=True, exist_ok=True)
    return TrainingTask(
        network=scene.build(),
        configuration=scene.configuration,
        labels=scene.description.labels,
        cases=cases,
        training=("a", "b"),
        validation=("a",),
        augmenter=NnunetAugmenter(**scene.augmenter),
        masked_channels=(),
        device=device,
        run=run,
        seed=0,
        workers=workers,
        progress=Silent(),
        accelerate=partial(accelerated, registry=Plugins().registry, progress=Silent()),
    )


def image_of(scene: Scene) -> Any:
    """Return an image (C, z, y, x) of smooth noise."""
    draws = torch.Generator().manual_seed(0)
    coarse = torch.randn((1, scene.channels, *(max(2, n // 8) for n in scene.shape)), generator=draws)
    smooth = torch.nn.functional.interpolate(coarse, scene.shape, mode="trilinear")[0]
    return (100 + 20 * smooth + torch.randn(smooth.shape, generator=draws)).numpy()


def make_bundle(
    scene: Scene, folder: Path, *, change: Change = lambda weights: weights, precision: Precision | None = None
) -> Path:
    """Write a model of random weights, and return its folder.

    Args:
        scene: the network.
        folder: of the bundle.
        change: the weights of a fold -> those to write.
        precision: the precision of the training; None if it is not known.
    """
    registry, configuration = Plugins().registry, scene.configuration
    plans = Plans(
        dataset="Dataset001_A",
        name="nnunet",
        recipe="nnunet",
        choices={},
        transpose_forward=(0, 1, 2),
        transpose_backward=(0, 1, 2),
        median_spacing=(1.0,) * 3,
        median_shape=tuple(map(float, scene.shape)),
        intensity={},
        configurations={"3d_fullres": configuration},
    )
    weights = {name: tensor.contiguous() for name, tensor in scene.build().state_dict().items()}
    folds = {str(fold): partial(save_file, change(_moved(weights, fold))) for fold in range(scene.folds)}
    contents = Contents(
        plans=plans,
        description=scene.description,
        configuration="3d_fullres",
        folds=folds,
        mirror_axes=(0, 1, 2),
        providers=record([registry.get(Kind.ARCHITECTURE, scene.network), registry.get(Kind.NORMALIZER, "zscore")]),
        precision=precision,
    )
    pack(contents, folder)
    return folder


def _moved(weights: Weights, fold: int) -> Weights:
    """Return weights that differ a little from fold to fold."""
    draws = torch.Generator().manual_seed(fold)
    return {n: t + 0.01 * fold * torch.randn(t.shape, generator=draws) for n, t in weights.items()}
