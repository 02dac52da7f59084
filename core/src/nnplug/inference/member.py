"""Predict with one member of a model: from an image to a label map on the image's grid."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nnplug.arrays import LabelArray
from nnplug.contracts import CropInverse
from nnplug.errors import NnplugError
from nnplug.inference.inputs import check_image
from nnplug.inference.logits import Logits, UsedPreprocessor
from nnplug.inference.options import PredictOptions
from nnplug.io.images import Image
from nnplug.models.model_components import components_of
from nnplug.models.network import FoldNetwork
from nnplug.models.open import Member
from nnplug.ops.slabs import predict_slabs
from nnplug.ops.sliding_window import Network, predict_windows, window_batches
from nnplug.preparation.preprocessing import bind_preprocessor, planned_preprocessor
from nnplug.registry.components import Registry
from nnplug.registry.provenance import Provider
from nnplug.registry.runtime import Runtime
from nnplug.remedies import Action
from nnplug.runtime.device import free_memory
from nnplug.workspace.case_store import Prepared
from nnplug.workspace.stored_array import StoredArray

CPU_VOXELS = 1 << 20  # per pass: more voxels are not faster and take more memory


class LoadedMember:
    """A member of a `LoadedModel`: its preprocessing, its network on the device, and the mapping back to the image.

    The network is built once; with several folds, their logits are averaged. One thread at a time may call `logits`
    and `label_map`, and one `prepare`, which in a cascade predicts with the previous stage.
    """

    def __init__(self, member: Member, runtime: Runtime, options: PredictOptions) -> None:
        """Find the components that the member was made with, and build its network.

        Args:
            member: plans and weights.
            runtime: plugins, and the device of the network, which computes in float32, on CUDA in half precision with
                float32 sums. Its progress receives a notice for each component whose distribution had another version
                in training.
            options: mirroring, step and device of the sums; the other options are not read.

        Raises:
            MissingProvider: a component of the member is not installed; the message has the remedy.
            NnplugError: the member cannot be used for prediction here.
        """
        self.member = member
        self.device = runtime.torch_device()
        self.mirror_axes = member.mirror_axes if options.mirroring else ()
        self.step = options.step
        self._sums_on_device = options.sums_on_device
        self.configuration = member.plans.configuration(member.configuration)
        self._progress = runtime.progress
        registry = components_of(member, runtime.plugins, self._progress)
        labels = member.description.labels
        self._previous_labels = self.configuration.previous_labels(labels)
        self._previous = None if member.previous is None else LoadedMember(member.previous, runtime, options)
        self._preprocessing = bind_preprocessor(member.plans, member.configuration, labels, registry)
        self._used_preprocessor = _used_preprocessor(member, registry)
        self._network = FoldNetwork(member, registry, self.device, self._progress)

    def prepare(self, image: Image, *, previous: LabelArray | None = None) -> Prepared:
        """Return an image preprocessed as in training.

        In a cascade its last channel is `previous`, a label map (z, y, x) on the image's grid; if `previous` is None,
        the previous stages predict it first.

        Raises:
            NnplugError: the image has other channels than the member, or has NaN or infinite voxels; or the member
                lacks a previous stage that it needs.
        """
        check_image(image, self.member.description.channel_names)
        spacing = image.geometry.spacing
        if not self._previous_labels:
            return self._preprocessing.prepare(image.array, spacing)
        if previous is None:
            previous = self._predict_previous(image)
        return self._preprocessing.prepare_refining(image.array, spacing, previous)

    def logits(
        self, image: npt.NDArray[np.float32] | StoredArray, *, report: Callable[[], None] | None = None
    ) -> torch.Tensor:
        """Return the logits of a preprocessed image.

        Args:
            image: (C, z, y, x) float32; in a cascade its last channel is the previous stage's label map.
            report: called `passes` times.

        Returns:
            (K, z, y, x) float32, the mean over folds; on the device if it has room, else on the CPU.

        Raises:
            NnplugError: the network returns values that are not finite.
        """
        array = torch.from_numpy(np.ascontiguousarray(image, np.float32))
        total: torch.Tensor | None = None
        for weights in self.member.weights:
            logits = self._predict(partial(self._network, weights), array, report)
            total = logits if total is None else total.add_(logits)
        assert total is not None  # a model has weights
        return _finite(total.div_(len(self.member.weights)))

    def label_map(
        self,
        image: npt.NDArray[np.float32] | StoredArray,
        info: Mapping[str, Any],
        *,
        report: Callable[[], None] | None = None,
    ) -> LabelArray:
        """Return the label map of a preprocessed image without all of its logits in memory.

        Args:
            image: as in `logits`.
            info: the `Prepared.info` of the image.
            report: called `passes` times.

        Returns:
            As in `labels`.

        Raises:
            NnplugError: as in `logits`.
        """
        if self.configuration.dimensions == 2:  # windows of many slices share a batch
            return self.labels(self.logits(image, report=report), info)
        array = torch.from_numpy(np.ascontiguousarray(image, np.float32))
        averaged = self._network.averages(self.member.weights)
        slabs = predict_slabs(
            averaged.networks,
            array,
            patch_size=self.configuration.patch_size,
            mirror_axes=self.mirror_axes,
            step=self.step,
            batch_size=self._batch_size,
            device=self.device,
            accumulate_on=self._room_for(array, averaged.channels, self.configuration.patch_size[0]),
            report=report,
        )
        planes = (_finite(averaged.to_logits(plane)) for slab in slabs for plane in slab.unbind(1))
        return self._label_map(planes, array.shape[1], info)

    def passes(self, shape: Sequence[int]) -> int:
        """Return the number of batches, and so of reports, for a preprocessed image of this shape (z, y, x)."""
        patch = self.configuration.patch_size
        leading = len(shape) - len(patch)
        padded = [*shape[:leading], *map(max, shape[leading:], patch)]
        return len(window_batches(padded, patch, self.step, self._batch_size)) * len(self.member.weights)

    def labels(self, logits: torch.Tensor, info: Mapping[str, Any]) -> LabelArray:
        """Return the label map (z, y, x) on the image's grid; a few slices of all classes are in memory."""
        return self._label_map(logits.unbind(1), logits.shape[1], info)

    def _label_map(self, planes: Iterable[torch.Tensor], count: int, info: Mapping[str, Any]) -> LabelArray:
        order = self.member.description.labels.regions_class_order
        return self._preprocessing.inverse(info).label_map(planes, count, regions_class_order=order)

    def probabilities(self, logits: torch.Tensor, info: Mapping[str, Any]) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the probability (z, y, x) float32 of one class or region after the other, on the image's grid."""
        regions = self.member.description.labels.has_regions
        return self._preprocessing.inverse(info).probabilities(logits, regions=regions)

    def output(self, logits: torch.Tensor, info: Mapping[str, Any]) -> Logits:
        """Return logits (K, z, y, x) with everything that averaging with other models, or storing them, needs."""
        made, regions = self._preprocessing.inverse(info), self.member.description.labels.has_regions
        if isinstance(made.inverse, CropInverse):
            return Logits(logits, made.inverse, regions)
        return Logits(logits, made, regions, self._used_preprocessor)

    def predict_logits(self, image: Image) -> Logits:
        """Return the logits of an image that is not zero everywhere.

        Raises:
            NnplugError: as in `prepare` and `logits`.
        """
        prepared = self.prepare(image)
        return self.output(self.logits(prepared.image), prepared.info)

    def predict(self, image: Image) -> LabelArray:
        """Return the label map (z, y, x) of an image, before postprocessing.

        For an image that is zero everywhere the result is background, with a notice.

        Raises:
            NnplugError: as in `prepare` and `logits`.
        """
        check_image(image, self.member.description.channel_names)
        if not image.array.any():
            self._progress.notice("the image is zero everywhere; its label map is all background")
            return np.zeros(image.geometry.shape, np.uint8)
        prepared = self.prepare(image)
        return self.label_map(prepared.image, prepared.info)

    def _predict_previous(self, image: Image) -> LabelArray:
        if self._previous is None:
            raise NnplugError(
                f"{self.member.configuration!r} refines predictions of {self.configuration.previous_stage!r}, which "
                "this model does not hold; open the bundle of the cascade"
            )
        return self._previous.predict(image)

    def _predict(self, network: Network, image: torch.Tensor, report: Callable[[], None] | None) -> torch.Tensor:
        return predict_windows(
            network,
            image,
            patch_size=self.configuration.patch_size,
            mirror_axes=self.mirror_axes,
            step=self.step,
            batch_size=self._batch_size,
            device=self.device,
            accumulate_on=self._room_for(image, self.member.description.labels.outputs, image.shape[1]),
            report=None if report is None else lambda *_: report(),
        )

    @property
    def _batch_size(self) -> int:
        planned = self.configuration.batch_size
        if self.device.type != "cpu":
            return planned
        return max(1, min(planned, CPU_VOXELS // math.prod(self.configuration.patch_size)))

    def _room_for(self, image: torch.Tensor, channels: int, rows: int) -> torch.device:
        """Return the device if the sums of two folds take less than half of its free memory, else the CPU."""
        free = free_memory(self.device)
        if free is None or not self._sums_on_device:
            return torch.device("cpu")
        sums = (2 * channels + 1) * rows
        numbers = (len(image) * image.shape[1] + sums) * math.prod(image.shape[2:])
        needed = numbers * torch.finfo(torch.float32).bits // 8
        return self.device if needed < free // 2 else torch.device("cpu")


def _used_preprocessor(member: Member, registry: Registry) -> UsedPreprocessor:
    entry, choice = planned_preprocessor(member.plans, registry)
    return UsedPreprocessor(provider=Provider.of(entry), options=choice.options)


def _finite(logits: torch.Tensor) -> torch.Tensor:
    low, high = torch.aminmax(logits)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise NnplugError("the network gave values that are not finite", Action.PREDICT_PRECISELY())
    return logits
