"""Predict images with an exported model."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nnplug_runtime.faults import Fault
from nnplug_runtime.geometry import Image, Labels, turned
from nnplug_runtime.inverse import Array, decode, label_map, probability_planes
from nnplug_runtime.model import Model, Stage, read_model
from nnplug_runtime.network import FoldNetwork, fold_networks
from nnplug_runtime.ops.connected_components import largest_component
from nnplug_runtime.plausibility import check_spacing
from nnplug_runtime.preprocess import Crop, prepare
from nnplug_runtime.windows import predicted_planes


@dataclass(frozen=True)
class Options:
    """The settings of a prediction.

    Attributes:
        folds: the folds of each member; None for all.
        mirroring: whether to average over mirror images, as the model was validated.
        step: the largest distance of neighbouring windows as a share of the patch; None for that of the model.
        threads: the number of threads of onnxruntime; None for the cores of this process.
        force: whether to predict images whose spacing is far from that of the training.
    """

    folds: tuple[str, ...] | None = None
    mirroring: bool = True
    step: float | None = None
    threads: int | None = None
    force: bool = False


class Predictor:
    """An exported model whose networks stay in memory between images."""

    def __init__(self, folder: Path, options: Options | None = None) -> None:
        """Read and verify a model, and open its networks.

        Args:
            folder: the folder that `nnplug model export-onnx` wrote.
            options: the settings.

        Raises:
            Fault: there is no such model or fold, a file is damaged, or an option is out of its range.
        """
        self.options = options or Options()
        if self.options.step is not None and not 0 < self.options.step <= 1:
            raise Fault(f"the step between windows is {self.options.step:g}; it must be above 0 and at most 1")
        self.model: Model = read_model(folder, self.options.folds)
        threads = self.options.threads or _cores()
        self._members = [_Member.of(stage, folder, self.options, threads) for stage in self.model.members]

    def label_map(self, image: Image, scratch: Path | None = None) -> Labels:
        """Return the postprocessed label map (z, y, x) of an image, with the axes of `turned_image`.

        Args:
            image: an image that `turned_image` returned.
            scratch: a folder on a disk for the logits of several members; None for the folder of temporary files.

        Raises:
            Fault: the image has other channels than the model, or its spacing is far from that of the training.
        """
        self._check(image)
        if not image.array.any():
            return np.zeros(image.geometry.shape, np.uint8)
        if len(self._members) == 1:
            labels = self._members[0].label_map(image, self.model)
        else:
            labels = self._mean_labels(image, scratch)
        return self._postprocessed(labels)

    def turned_image(self, image: Image) -> Image:
        """Return an image of one slice with the slice's axis where 2D networks take it, if all members are such."""
        places = {stage.transpose[0] for stage in self.model.members}
        flat = all(stage.dimensions == 2 for stage in self.model.members)
        return turned(image, places.pop()) if flat and len(places) == 1 else image

    def _check(self, image: Image) -> None:
        for stage in self.model.members:
            if len(image.array) != len(stage.channels):
                names = ", ".join(channel.name for channel in stage.channels)
                raise Fault(
                    f"the image has {len(image.array)} channels, expected {len(stage.channels)} ({names}). Give a file "
                    "per channel: CASE_0000, CASE_0001 .."
                )
            if not self.options.force:
                check_spacing(image.geometry, stage)

    def _mean_labels(self, image: Image, scratch: Path | None) -> Labels:
        """Return the labels of the mean probability of the members, slice by slice."""
        paint = self.model.labels.paint
        volumes = [member.probability_planes(image, scratch, self.model) for member in self._members]
        decoded = []
        for planes in zip(*volumes, strict=True):
            mean = sum(planes[1:], start=planes[0]) / np.float32(len(planes))
            decoded.append(decode(mean, paint, threshold=0.5))
        return np.stack(decoded)

    def _postprocessed(self, labels: Labels) -> Labels:
        rule = self.model.postprocessing
        kept = labels.copy()
        for step in () if rule is None else rule.keep_largest:
            mask = np.isin(kept, step)
            kept[mask & ~largest_component(mask)] = 0
        return kept


def _cores() -> int:
    """Return the number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux tells
        return os.cpu_count() or 1


@dataclass(frozen=True)
class _Member:
    """A stage with its networks, and the stage before it."""

    stage: Stage
    networks: Sequence[FoldNetwork]
    previous: _Member | None

    @classmethod
    def of(cls, stage: Stage, folder: Path, options: Options, threads: int) -> _Member:
        previous = None if stage.previous is None else cls.of(stage.previous, folder, options, threads)
        if stage.previous_labels and previous is None:
            raise Fault(f"{folder}: {stage.configuration} refines another stage, which is missing; export it again")
        windows = stage.windows
        if not options.mirroring:
            windows = replace(windows, mirror_axes=())
        if options.step is not None:
            windows = replace(windows, step=options.step)
        return cls(replace(stage, windows=windows), fold_networks(stage, folder, threads), previous)

    def label_map(self, image: Image, model: Model) -> Labels:
        """Return the label map (z, y, x) of an image, before postprocessing."""
        prepared, crop = self._prepared(image, model)
        return label_map(self._planes(prepared), prepared.shape[1], crop, self.stage, model.labels.paint)

    def probability_planes(self, image: Image, scratch: Path | None, model: Model) -> Iterator[Array]:
        """Yield the probabilities (K, y, x) of each slice of an image. Logits are memory-mapped meanwhile."""
        prepared, crop = self._prepared(image, model)
        with tempfile.TemporaryFile(dir=scratch) as file:
            shape = (self.stage.outputs, *prepared.shape[1:])
            logits: Any = np.memmap(file, np.float32, "w+", shape=shape)
            for z, plane in enumerate(self._planes(prepared)):
                logits[:, z] = plane
            yield from probability_planes(logits, crop, self.stage, regions=model.labels.regions)

    def _planes(self, prepared: npt.NDArray[np.float32]) -> Iterator[Array]:
        return predicted_planes(self.networks, prepared, self.stage.windows, self.stage.outputs)

    def _prepared(self, image: Image, model: Model) -> tuple[npt.NDArray[np.float32], Crop]:
        before = None if self.previous is None else self.previous.label_map(image, model)
        return prepare(image, self.stage, before)
