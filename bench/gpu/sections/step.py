"""A training step of nnplug, in every variant that `runtime/device.py` chooses from."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import torch

from gpu.row import Row
from gpu.scenes import BRATS, HIPPOCAMPUS, Scene, make_task, small
from gpu.site import Site
from gpu.timing import Timing, timing
from nnplug_nnunet.training.compiling import Compile
from nnplug_nnunet.training.graphs.choice import choose_step
from nnplug_nnunet.training.graphs.graphed_step import GraphedStep
from nnplug_nnunet.training.loop import Training
from nnplug_nnunet.training.options import CudaGraph, Precision
from nnplug_nnunet.training.state import PatchBatch
from nnplug_nnunet.training.trainer import NnUNetTrainer

SCENES = {"Hippocampus": HIPPOCAMPUS, "BraTS": BRATS, "BraTS regions": replace(BRATS, regions=True)}


@dataclass(frozen=True)
class Variant:
    """A way to compute the step.

    Attributes:
        channels_last: the order of memory; None for that of `runtime/device.py`.
        benchmark: whether cuDNN measures its algorithms.
        compile: whether the network is compiled.
        precision: of convolutions.
        graph: whether the whole step is a CUDA graph.
        accelerate: whether the installed accelerators change the network.
        scenes: the names of the scenes that it is measured on.
    """

    channels_last: bool | None = None
    benchmark: bool = True
    compile: Compile = "never"
    precision: Precision = "auto"
    graph: CudaGraph = "never"
    accelerate: bool = True
    scenes: tuple[str, ...] = ("Hippocampus", "BraTS")


PLAIN = Variant(accelerate=False)
VARIANTS = {
    "CUDA graph": replace(PLAIN, graph="auto", scenes=tuple(SCENES)),
    "layer by layer": PLAIN,
    "accelerated, CUDA graph": Variant(graph="auto"),
    "accelerated, layer by layer": Variant(),
    "compiled, CUDA graph": replace(PLAIN, graph="auto", compile="always"),
    "accelerated, compiled, CUDA graph": Variant(graph="auto", compile="always"),
    "channels last, CUDA graph": replace(PLAIN, graph="auto", channels_last=True),
    "bfloat16, CUDA graph": replace(PLAIN, graph="auto", precision="bfloat16"),
    "without cuDNN's measuring": replace(PLAIN, benchmark=False),
}


def rows(site: Site) -> Iterator[Row]:
    """Yield the time and the memory of each variant."""
    for name, variant in VARIANTS.items():
        if not re.search(site.match, name):
            continue
        if variant.compile == "always" and not site.compiles:
            yield Row(section="step", what=name, value=None, note="nothing was compiled")
            continue
        for title in variant.scenes:
            scene = small(SCENES[title]) if site.tiny else SCENES[title]
            yield from rows_of("step", f"{title}, {name}", measure(site, scene, variant))


def rows_of(section: str, what: str, cost: Timing) -> Iterator[Row]:
    """Yield the rows of a timing."""
    yield Row(section=section, what=what, value=1e3 * cost.seconds, unit="ms", note=f"first {cost.first:.1f} s")
    yield Row(section=section, what=f"{what}: launched by the host in", value=1e3 * cost.launched, unit="ms")
    yield Row(
        section=section, what=f"{what}: tensors", value=cost.allocated, unit="GiB", note=f"reserved {cost.reserved:.2f}"
    )


def measure(site: Site, scene: Scene, variant: Variant) -> Timing:
    """Return the cost of a step."""
    gc.collect()
    order = {None: None, True: torch.channels_last_3d, False: torch.contiguous_format}[variant.channels_last]
    place = "nnplug_nnunet.training.loop.memory_format"
    ordered = nullcontext() if order is None else mock.patch(place, return_value=order)
    trainer = NnUNetTrainer(compile=variant.compile, precision=variant.precision, cuda_graph=variant.graph)
    with TemporaryDirectory() as folder, ordered, torch.backends.cudnn.flags(enabled=True, benchmark=variant.benchmark):
        task = make_task(scene, Path(folder), site.torch_device)
        if not variant.accelerate:
            task = replace(task, accelerate=lambda network, _: network)
        training = Training(trainer, task)
        training.network.train()
        step = choose_step(trainer, training.state, training.callbacks)
        if site.device == "cuda" and variant.graph != "never" and not isinstance(step, GraphedStep):
            raise RuntimeError("the trainer chose no CUDA graph; --set trainer.cuda_graph=always tells why")
        batch = random_batch(scene, site.torch_device)
        return timing(site, lambda: step(training.state, batch), warm=site.pick(8, 1), times=site.pick(30, 2))


def random_batch(scene: Scene, device: torch.device) -> PatchBatch:
    """Return a batch of noise."""
    torch.manual_seed(0)
    image = torch.randn(scene.batch, scene.channels, *scene.patch, device=device)
    target = torch.randint(scene.classes, (scene.batch, 1, *scene.patch), device=device).short()
    return PatchBatch(image, target)
