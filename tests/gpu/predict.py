"""Predict on the pretended device: `python predict.py LIBRARY SCENE:FREE ..` prints the counts of each image as JSON.

FREE is the free memory in GB for each image of a scene, "60" or "60,7"; "60/7" changes it after the first question.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pretended

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
if __name__ == "__main__":
    pretended.pretend(Path(sys.argv[1]))  # before PyTorch asks for the devices of this machine

from gpu import scenes


@dataclass(frozen=True)
class Scene(scenes.Scene):
    """A model of random weights and an image on its grid.

    Attributes:
        models: that are averaged.
        probabilities: whether probabilities are predicted instead of a label map.
        whole: whether all logits are in memory, as in ensembles.
    """

    models: int = 1
    probabilities: bool = False
    whole: bool = False


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


def predict(scene: Scene, free: list[str]) -> Iterator[dict[str, Any]]:
    """Predict an image per amount of free memory (GB) with one `Predictor`; yield the counts of each."""
    import numpy as np
    from torch._subclasses.fake_tensor import FakeTensorMode

    from nnplug import Predictor
    from nnplug.registry.loader import Plugins

    image = np.ones((scene.channels, *scene.shape), np.float32)
    image[:, 0] = 2  # not constant, so that it can be normalised
    with tempfile.TemporaryDirectory() as folder:
        models = [scenes.make_bundle(scene, Path(folder) / str(number)) for number in range(scene.models)]
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


def main(*requests: str) -> None:
    """Predict the scenes, and print the counts of each image on a line."""
    from nnplug.models import weights

    weights.load_file = pretended.outside(weights.load_file)
    for request in requests:
        name, _, free = request.partition(":")
        for number, counts in enumerate(predict(SCENES[name], free.split(","))):
            sys.stdout.write(json.dumps({"scene": name, "image": number, **counts}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[2:])
