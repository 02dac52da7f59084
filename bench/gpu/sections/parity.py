"""The device computes as the CPU does: logits, losses, gradients, augmentation and label maps."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gpu.row import Row
from gpu.scenes import BRATS, HIPPOCAMPUS, Scene, make_bundle, make_task, small
from gpu.site import Site
from nnplug import Predictor
from nnplug.contracts import LossContext, Workload
from nnplug.dataset.labels import Labels
from nnplug.models.acceleration import accelerated
from nnplug.registry.loader import Plugins
from nnplug.runtime.device import autocast
from nnplug.runtime.progress import Silent
from nnplug_nnunet.augmentation import NnunetAugmenter
from nnplug_nnunet.training.losses import LOSSES
from nnplug_nnunet.training.patches.source import Stream
from nnplug_nnunet.training.setup import complete_patch_centres, make_loader
from nnplug_nnunet.training.trainer import NnUNetTrainer


def rows(site: Site) -> Iterator[Row]:
    """Yield differences in float32 without TF32, and the agreement of label maps in half precision."""
    scenes = {"Hippocampus": replace(HIPPOCAMPUS, batch=2), "BraTS": replace(BRATS, patch=(64,) * 3, batch=1)}
    chosen = {name: small(scene) if site.tiny else scene for name, scene in scenes.items()}
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        for name, scene in chosen.items():
            yield from _network(site, name, scene)
        yield from _losses(site)
    for name, scene in chosen.items():
        yield from _accelerators(site, name, scene)
    yield from _augmentation(site, small(HIPPOCAMPUS) if site.tiny else HIPPOCAMPUS)
    yield from _prediction(site, small(BRATS))


def _network(site: Site, name: str, scene: Scene) -> Iterator[Row]:
    """Compare logits and the gradient of a step."""
    draws = torch.Generator().manual_seed(0)
    image = torch.randn(scene.batch, scene.channels, *scene.patch, generator=draws)
    target = torch.randint(scene.classes, (scene.batch, 1, *scene.patch), generator=draws)
    loss = LOSSES[0]().bind(LossContext(scene.description.labels, batch_dice=False))
    found = []
    for device in (torch.device("cpu"), site.torch_device):
        network = scene.build().to(device)
        logits = network(image.to(device))
        loss(logits[0], target.to(device)).backward()
        gradient = torch.cat([p.grad.flatten().cpu() for p in network.parameters() if p.grad is not None])
        found.append((logits[0].detach().cpu(), gradient))
    (logits, gradient), (theirs, other) = found
    yield Row(section="parity", what=f"{name}: logits in float32", value=_difference(theirs, logits), at_most=1e-4)
    cosine = torch.nn.functional.cosine_similarity(gradient.double(), other.double(), dim=0)
    yield Row(section="parity", what=f"{name}: cosine of gradients", value=float(cosine), at_least=0.9999)


def _accelerators(site: Site, name: str, scene: Scene) -> Iterator[Row]:
    """Compare a step in half precision, with and without the accelerators, with one in float32."""
    draws = torch.Generator().manual_seed(0)
    image = torch.randn(scene.batch, scene.channels, *scene.patch, generator=draws).to(site.torch_device)
    target = torch.randint(scene.classes, (scene.batch, 1, *scene.patch), generator=draws).to(site.torch_device)
    loss = LOSSES[0]().bind(LossContext(scene.description.labels, batch_dice=False))
    dtype = torch.float16 if site.device == "cuda" else torch.bfloat16
    workload, registry = Workload(site.torch_device, "training", dtype), Plugins().registry
    plain, found = scene.build().to(site.torch_device).train(), []
    fast = accelerated(copy.deepcopy(plain), workload, registry=registry, progress=Silent())
    for network, half in ((plain, None), (copy.deepcopy(plain), dtype), (fast, dtype)):
        network.zero_grad()
        with autocast(site.torch_device, half):
            logits = network(image)
        scale = 1 if half is None else 1024
        (
            scale * sum(loss(level.float(), target[..., :: 2**k, :: 2**k, :: 2**k]) for k, level in enumerate(logits))
        ).backward()
        gradient = torch.cat([p.grad.double().flatten().cpu() for p in network.parameters() if p.grad is not None])
        found.append((logits[0].detach().float(), gradient / scale))
    (logits, gradient), (half_logits, half_gradient), (fast_logits, fast_gradient) = found
    similarity = torch.nn.functional.cosine_similarity
    errors = [_difference(other, logits) for other in (half_logits, fast_logits)]
    cosines = [float(similarity(gradient, other, dim=0)) for other in (half_gradient, fast_gradient)]
    notes = [f"without accelerators {value:.6g}" for value in (errors[0], cosines[0])]
    where = f"{name}, half precision and accelerators against float32"
    yield Row(
        section="parity", what=f"{where}: logits", value=errors[1], at_most=max(2 * errors[0], 1e-4), note=notes[0]
    )
    least = min(0.99, 1 - 2 * (1 - cosines[0]))  # bfloat16, the half precision of CPUs, has fewer digits than float16
    yield Row(section="parity", what=f"{where}: cosine of gradients", value=cosines[1], at_least=least, note=notes[1])


def _losses(site: Site) -> Iterator[Row]:
    """Compare every loss of the default plugin on classes, regions and an ignore label."""
    kinds = {
        "classes": Labels({"background": (0,), "a": (1,), "b": (2,), "c": (3,)}),
        "regions": Labels({"background": (0,), "a": (1, 2, 3), "b": (2, 3), "c": (3,)}, regions_class_order=(1, 2, 3)),
        "ignore": Labels({"background": (0,), "a": (1,), "b": (2,), "ignore": (3,)}),
    }
    draws = torch.Generator().manual_seed(1)
    target = torch.randint(4, (2, 1, 24, 24, 24), generator=draws)
    for loss, (kind, labels) in product(LOSSES, kinds.items()):
        logits, found = 3 * torch.randn(2, labels.outputs, 24, 24, 24, generator=draws), []
        for device in ("cpu", site.device):
            function = loss().bind(LossContext(labels, batch_dice=True))
            found.append(float(function(logits.to(device), target.to(device))))
        error = abs(found[1] - found[0]) / max(abs(found[0]), 1e-3)
        yield Row(section="parity", what=f"loss {loss.terms}, {kind}", value=error, at_most=1e-5)


def _augmentation(site: Site, scene: Scene) -> Iterator[Row]:
    """Augment the same batches on both devices, without noise: its random numbers differ between CPU and GPU."""
    trainer = NnUNetTrainer(augment_on="device", epochs=1, iterations_per_epoch=8, val_iterations_per_epoch=1)
    images, labels = [], []
    with TemporaryDirectory() as folder:
        task = make_task(scene, Path(folder), torch.device("cpu"))
        task = replace(task, augmenter=NnunetAugmenter(p_noise=0.0))
        complete_patch_centres(task)
        with make_loader(trainer, task, Stream.TRAINING, 0) as batches:
            for batch in batches:
                (image, label), (other, drawn) = batch.on(torch.device("cpu")), batch.on(site.torch_device)
                images.append(_difference(other.cpu(), image))
                labels.append(float((drawn.cpu() != label).float().mean()))
    yield Row(section="parity", what="augmentation of 8 batches: images", value=max(images), at_most=2e-3)
    yield Row(section="parity", what="augmentation of 8 batches: labels that differ", value=max(labels), at_most=1e-4)


def _prediction(site: Site, scene: Scene) -> Iterator[Row]:
    """Predict with two folds and two models, with and without room for the sums of windows on the device."""
    image = scene.volume(0)[0]
    with TemporaryDirectory() as folder:
        one = make_bundle(replace(scene, folds=2), Path(folder) / "one")
        two = make_bundle(replace(scene, features=(8, 8, 8)), Path(folder) / "two")
        for what, models in {"two folds": (one,), "two models": (one, two)}.items():
            ours, theirs = (_probabilities(models, device, image) for device in ("cpu", site.device))
            same = float((ours.argmax(0) == theirs.argmax(0)).mean())
            yield Row(
                section="parity", what=f"{what}: probabilities", value=float(np.abs(ours - theirs).max()), at_most=0.01
            )
            yield Row(section="parity", what=f"{what}: label maps that agree", value=same, at_least=0.999)


def _probabilities(models: tuple[Path, ...], device: str, image: Any) -> Any:
    return Predictor(*models, device=device).probabilities(image, (1.0, 1.0, 1.0))


def _difference(found: Tensor, right: Tensor) -> float:
    """Return the largest difference over the largest value."""
    return float((found - right).abs().max() / right.abs().max())
