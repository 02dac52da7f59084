"""Predict on a real GPU: `python real_prediction.py [--device cpu] [--tiny] [SECTION ..]` prints a line of JSON each.

It needs no images and no trained model, takes about a minute and a half on an H100, and can be rehearsed on a CPU.

| section | what it shows |
|---|---|
| equal | label maps of the GPU beside those of the CPU: float32 at least 0.9999 equal, float16 at least 0.99 |
| overflow | windows that overflow float16 are repaired: labels as on the CPU, a notice for each image |
| memory | a budget that is too small for the batch: smaller batches, sums on the CPU, at last a line with sizes |
| batches | seconds and peak GB of a mirrored BraTS case for each number of voxels per pass, cuDNN measuring or not |
| classes | seconds, peak GB and host GB of 320^3 voxels with 60 classes |
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from predict import SCENES, Scene, make_bundle

from nnplug import Predictor
from nnplug.inference.fitting import batch_size
from nnplug.runtime.progress import Silent

SPACING = (1.4, 0.8, 1.1)
"""Of images in mm; the network's grid has 1 mm, so that logits are resampled."""
_SMALL = {"features": (8, 16, 32), "patch": (32, 32, 32), "batch": 2, "shape": (46, 70, 55)}
EQUAL = {
    "classes": Scene(**_SMALL, classes=4),
    "regions": Scene(**_SMALL, classes=4, regions=True),
    "60 classes": Scene(**_SMALL, classes=60),
    "two folds": Scene(**_SMALL, folds=2),
    "two models": Scene(**_SMALL, models=2),
}


class Notices(Silent):
    """A progress that keeps its notices."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def notice(self, message: str) -> None:
        """Keep the message."""
        self.told.append(str(message))


class Models:
    """Models of random weights in a temporary folder."""

    def __init__(self, folder: Path, device: str) -> None:
        self.folder, self.device, self.made = folder, device, 0

    def bundles(self, scene: Scene, fill: Callable[[Any], Any] = torch.randn, **contents: Any) -> list[Path]:
        """Return the folders of a scene's models; `fill` gives the weights of a shape."""
        torch.manual_seed(0)
        self.made += 1
        place = self.folder / str(self.made)
        place.mkdir()
        return [make_bundle(scene, place, number, fill, **contents) for number in range(scene.models)]

    def predictor(self, bundles: list[Path], **options: Any) -> Predictor:
        """Return the predictor on the device, unless the options name another one."""
        return Predictor(*bundles, **{"device": self.device, **options})


def image_of(scene: Scene) -> Any:
    """Return an image of smooth noise."""
    coarse = torch.randn((1, scene.channels, *(max(2, n // 8) for n in scene.shape)))
    smooth = torch.nn.functional.interpolate(coarse, scene.shape, mode="trilinear")[0]
    return (100 + 20 * smooth + torch.randn(smooth.shape)).numpy()


def share(one: Any, other: Any) -> float:
    """Return the share of voxels with the same label."""
    return round(float((np.asarray(one) == np.asarray(other)).mean()), 6)


def equal(models: Models, tiny: bool) -> Iterator[dict[str, Any]]:
    """Compare the label maps of both devices."""
    torch.backends.cudnn.allow_tf32 = False
    for name, scene in EQUAL.items():
        small = replace(scene, shape=(20, 34, 30)) if tiny else scene
        image, found = image_of(small), {}
        options = {"mirroring": name == "classes" and not tiny}
        expected = models.predictor(models.bundles(small), device="cpu", **options).predict(image, SPACING)
        for precision in ("float32", "float16", "bfloat16"):
            predictor = models.predictor(models.bundles(small, precision=precision), **options)
            found[precision] = share(predictor.predict(image, SPACING), expected)
        yield {"scene": name, "equal": found, "labels": len(np.unique(expected)), "ok": found["float32"] >= 0.9999}
    torch.backends.cudnn.allow_tf32 = True


def overflow(models: Models, tiny: bool) -> Iterator[dict[str, Any]]:
    """Predict with weights of the last layer that float16 cannot multiply."""
    scene = replace(EQUAL["classes"], shape=(20, 34, 30)) if tiny else EQUAL["classes"]

    def large(shape: Any) -> Any:
        values = torch.randn(shape)
        return values * 3e4 if shape[0] == scene.classes else values

    bundles = models.bundles(scene, large, precision="float16")
    image, told = image_of(scene), Notices()
    options = {"mirroring": not tiny}
    expected = models.predictor(bundles, device="cpu", **options).predict(image, SPACING)
    predictor = models.predictor(bundles, progress=told, **options)
    for number in range(2):
        start = time.perf_counter()
        found = predictor.predict(image, SPACING)
        yield {
            "image": number,
            "equal": share(found, expected),
            "seconds": round(time.perf_counter() - start, 3),
            "told": told.told[number:],
            "ok": share(found, expected) >= 0.999 and (models.device == "cpu" or len(told.told) == number + 1),
        }


def memory(models: Models, tiny: bool) -> Iterator[dict[str, Any]]:
    """Predict within budgets that get smaller, while batches are chosen as if there was more memory."""
    scene = replace(EQUAL["classes"], shape=(20, 34, 30)) if tiny else SCENES["brats"]
    bundles, image = models.bundles(scene), image_of(scene)
    free = batch_size.free_memory
    batch_size.free_memory = lambda _: 60 << 30  # type: ignore[assignment]
    expected = None
    try:
        for gigabytes in (None, 4.0, 1.5, 0.9, 0.5):
            told = Notices()
            line: dict[str, Any] = {"budget": gigabytes}
            try:
                predictor = models.predictor(bundles, progress=told, gpu_memory_gb=gigabytes, mirroring=not tiny)
                found = predictor.predict(image, (1.0, 1.0, 1.0))
                expected = found if expected is None else expected
                line |= {"equal": share(found, expected)}
                del predictor
            except Exception as error:  # noqa: BLE001 - the line shows it
                line |= {"error": f"{type(error).__name__}: {error}"}
            yield {**line, "told": told.told, "share": _share_of_gpu(models.device)}
            _empty(models.device)
    finally:
        batch_size.free_memory = free


def _share_of_gpu(device: str) -> float | None:
    """Return the share of the GPU that the process may take after the prediction: 1."""
    return torch.cuda.get_per_process_memory_fraction(0) if device == "cuda" else None


def _empty(device: str) -> None:
    import gc

    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


def batches(models: Models, tiny: bool) -> Iterator[dict[str, Any]]:
    """Measure passes of different sizes."""
    names = ("hippocampus",) if tiny else ("hippocampus", "brats")
    for name in names:
        scene = replace(EQUAL["classes"], shape=(20, 34, 30)) if tiny else SCENES[name]
        bundles, image = models.bundles(scene), image_of(scene)
        for benchmark in (False, True):
            for millions in (2,) if tiny else (2, 4, 8, 16, 32):
                batch_size.GPU_VOXELS = millions << 20
                torch.backends.cudnn.benchmark = benchmark
                predictor = models.predictor(bundles, mirroring=not tiny)
                yield {
                    "scene": name,
                    "voxels": batch_size.GPU_VOXELS,
                    "benchmark": benchmark,
                    "windows": predictor._model.members[0]._attempts.inference.context.batch_size,
                    **_measured(models.device, partial(predictor.predict, image, (1.0, 1.0, 1.0)), 3),
                }
                del predictor
                _empty(models.device)
    batch_size.GPU_VOXELS, torch.backends.cudnn.benchmark = 1 << 24, False


def _measured(device: str, work: Callable[[], Any], times: int) -> dict[str, Any]:
    """Return the seconds of each repetition, and the peak of the GPU's and the host's memory in GB."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(round(time.perf_counter() - start, 3))
    gpu = (
        {}
        if device != "cuda"
        else {
            "allocated": round(torch.cuda.max_memory_allocated() / 2**30, 2),
            "reserved": round(torch.cuda.max_memory_reserved() / 2**30, 2),
        }
    )
    return {"seconds": seconds, **gpu, "host": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)}


def classes(models: Models, tiny: bool) -> Iterator[dict[str, Any]]:
    """Predict many classes in a large image."""
    scene = Scene(classes=60, features=SCENES["brats"].features, patch=(128,) * 3, batch=2, shape=(320,) * 3)
    if tiny:
        scene = replace(EQUAL["60 classes"], shape=(20, 34, 30))
    image = image_of(scene)
    for folds in (1, 2):
        bundles = models.bundles(replace(scene, folds=folds))
        predictor = models.predictor(bundles, mirroring=False)
        work = partial(predictor.predict, image, (1.0, 1.0, 1.0))
        yield {"folds": folds, **_measured(models.device, work, 2)}
        del work
        del predictor
        _empty(models.device)


SECTIONS = {part.__name__: part for part in (equal, overflow, memory, batches, classes)}


def main() -> None:
    """Print the results of the sections; an error ends its section only."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("sections", nargs="*", default=list(SECTIONS))
    given = parser.parse_args()
    for name in given.sections:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            try:
                for line in SECTIONS[name](Models(Path(folder), given.device), given.tiny):
                    _print(section=name, **line)
            except Exception as error:  # noqa: BLE001 - the other sections matter too
                _print(section=name, error=f"{type(error).__name__}: {error}")
        _print(section=name, all_seconds=round(time.perf_counter() - start, 1))


def _print(**line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
