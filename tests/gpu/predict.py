"""Predict on the pretended device: `python predict.py LIBRARY SCENE:FREE ..` prints the counts of each image as JSON.

FREE is the free memory in GB for each image of a scene, "60" or "60,7"; "60/7" changes it after the first question.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pretended


@dataclass(frozen=True)
class Scene:
    """A model of random weights and an image on its grid.

    Attributes:
        channels: of the image.
        classes: the number of classes, with the background.
        features: of each stage.
        patch: (z, y, x) voxels.
        batch: windows per pass.
        shape: of the image, (z, y, x) voxels.
        folds: whose logits are averaged.
        models: that are averaged.
        regions: whether the labels are nested regions.
        network: the architecture.
        probabilities: whether probabilities are predicted instead of a label map.
        whole: whether the label map is made from the logits of the whole image, as for several models.
    """

    channels: int = 1
    classes: int = 3
    features: tuple[int, ...] = (32, 64, 128, 256)
    patch: tuple[int, ...] = (40, 56, 40)
    batch: int = 9
    shape: tuple[int, ...] = (36, 50, 35)
    folds: int = 1
    models: int = 1
    regions: bool = False
    network: str = "plain-conv-unet"
    probabilities: bool = False
    whole: bool = False

    @property
    def labels(self) -> dict[str, Any]:
        """The labels as in dataset.json."""
        last = self.classes - 1
        if self.regions:
            return {"background": 0, **{f"r{i}": list(range(i, self.classes)) for i in range(1, self.classes)}}
        return {"background": 0, **{f"c{i}": i for i in range(1, last + 1)}}


_LARGE = (32, 64, 128, 256, 320, 320)
_BRATS = {"channels": 4, "classes": 4, "features": _LARGE, "patch": (128,) * 3, "batch": 2, "shape": (140, 171, 137)}
_SMALL = {"features": (8, 16), "patch": (16,) * 3, "batch": 2, "shape": (20, 24, 20)}
SCENES = {
    "hippocampus": Scene(),
    "brats": Scene(**_BRATS),
    "brats-regions": Scene(**_BRATS, regions=True),
    "brats-residual": Scene(**_BRATS, network="residual-encoder-unet"),
    "105-classes": Scene(classes=105, features=_LARGE, patch=(96, 160, 160), batch=2, shape=(200,) * 3),
    "regions": Scene(**_SMALL, classes=4, regions=True),
    "residual": Scene(**_SMALL, network="residual-encoder-unet"),
    "many-classes": Scene(**_SMALL, classes=60),
    "whole": Scene(**_SMALL, whole=True),
    "whole-many-classes": Scene(**_SMALL, classes=60, whole=True),
    "label-map-of-two-folds": Scene(**_SMALL, folds=2),
    "brats-whole": Scene(**_BRATS, whole=True),
    "two-folds": Scene(**_SMALL, classes=16, folds=2, probabilities=True),
    "two-models": Scene(**_SMALL, models=2),
    "two-models-probabilities": Scene(**_SMALL, models=2, probabilities=True),
}


def make_bundle(
    scene: Scene, folder: Path, number: int, fill: Callable[[Any], Any] | None = None, **contents: Any
) -> Path:
    """Return the folder of a model of zeros, or of what `fill` gives for a shape; `contents` replace its contents."""
    import torch
    from safetensors.torch import save_file

    from nnplug.contracts import Topology
    from nnplug.dataset.dataset import DatasetDescription
    from nnplug.models.bundle import Contents, pack
    from nnplug.plans.plans import Choice, Configuration, Normalization, Plans, Resampling
    from nnplug.registry.components import Kind
    from nnplug.registry.loader import Plugins
    from nnplug.registry.provenance import record

    registry, stages = Plugins().registry, len(scene.features)
    topology = Topology(
        strides=((1,) * 3, *((2,) * 3,) * (stages - 1)),
        kernel_sizes=((3,) * 3,) * stages,
        features_per_stage=scene.features,
    )
    entry = registry.get(Kind.ARCHITECTURE, scene.network)
    options = json.loads(json.dumps(entry.load().options_for(topology)))
    configuration = Configuration(
        spacing=(1.0,) * 3,
        patch_size=scene.patch,
        batch_size=scene.batch,
        median_shape=tuple(map(float, scene.shape)),
        normalization=(Normalization(name="zscore", use_mask=False),) * scene.channels,
        resampling=Resampling(),
        batch_dice=False,
        architecture=Choice(name=scene.network, options=options),
    )
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
    raw = {
        "channel_names": {str(c): f"MR{c}" for c in range(scene.channels)},
        "labels": scene.labels,
        "numTraining": 2,
        "file_ending": ".nii.gz",
        **({"regions_class_order": list(range(1, scene.classes))} if scene.regions else {}),
    }
    description = DatasetDescription.from_data(raw, "dataset.json")
    with torch.device("meta"):
        network = entry.create(options).build(channels=scene.channels, outputs=description.labels.outputs)
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    folds = [{name: (fill or torch.zeros)(shape) for name, shape in shapes.items()} for _ in range(scene.folds)]
    packed = Contents(
        plans=plans,
        description=description,
        configuration="3d_fullres",
        folds={str(fold): partial(save_file, weights) for fold, weights in enumerate(folds)},
        mirror_axes=(0, 1, 2),
        providers=record([entry, registry.get(Kind.NORMALIZER, "zscore")]),
    )
    pack(replace(packed, **contents), folder / f"model_{number}")
    return folder / f"model_{number}"


def predict(scene: Scene, free: list[str]) -> Iterator[dict[str, Any]]:
    """Predict an image per amount of free memory (GB) with one `Predictor`; yield the counts of each."""
    import numpy as np
    from torch._subclasses.fake_tensor import FakeTensorMode

    from nnplug import Predictor
    from nnplug.registry.loader import Plugins

    image = np.ones((scene.channels, *scene.shape), np.float32)
    image[:, 0] = 2  # not constant, so that it can be normalised
    with tempfile.TemporaryDirectory() as folder:
        models = [make_bundle(scene, Path(folder), number) for number in range(scene.models)]
        with FakeTensorMode(allow_non_fake_inputs=True), pretended.watch() as mode:
            pretended.set_free_memory(60 << 30)
            plugins = Plugins(block=["cuda"])  # its kernels need a GPU
            predictor = Predictor(*models, device="cuda", plugins=plugins)
            for number in free:
                pretended.set_free_memory(*(int(float(gb) * (1 << 30)) for gb in number.split("/")))
                mode.restart()
                _method(predictor, scene)(image, (1.0, 1.0, 1.0))
                yield mode.counts.data()


def _method(predictor: Any, scene: Scene) -> Any:
    from nnplug.inference.predictor import _image

    def whole(*given: Any) -> Any:
        image, model = _image(*given), predictor._model
        return model.label_map(model.logits(image), image.geometry)

    if scene.whole:
        return whole
    return predictor.probabilities if scene.probabilities else predictor.predict


def main(library: str, *requests: str) -> None:
    """Predict the scenes, and print the counts of each image on a line."""
    pretended.pretend(Path(library))
    from nnplug.models import weights

    weights.load_file = pretended.outside(weights.load_file)
    for request in requests:
        name, _, free = request.partition(":")
        for number, counts in enumerate(predict(SCENES[name], free.split(","))):
            sys.stdout.write(json.dumps({"scene": name, "image": number, **counts}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
