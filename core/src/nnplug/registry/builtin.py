"""The components of the core. Every project needs them; the core offers them as a plugin does."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug.hookspecs import hookimpl
from nnplug.registry.entries import ExecutorComponent, InferenceComponent


@hookimpl
def nnplug_executors() -> Iterable[ExecutorComponent]:
    """Offer the executor that runs jobs on this machine."""
    target = "nnplug.runtime.executor:LocalExecutor"
    yield ExecutorComponent("local", target, "threads of this machine, one training at a time")


@hookimpl
def nnplug_inferences() -> Iterable[InferenceComponent]:
    """Offer windows, which every network can be predicted with, and the whole image at once."""
    yield InferenceComponent(
        "sliding-window",
        "nnplug.inference.components.sliding_window:SlidingWindowInference",
        "overlapping windows with Gaussian weights, as in nnU-Net",
        gives_slabs=True,
        implied=True,
    )
    yield InferenceComponent(
        "whole-image",
        "nnplug.inference.components.whole_image:WholeImageInference",
        "one pass over the image, padded to fit",
    )
