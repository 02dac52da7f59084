"""Prediction with one member of a model: from an image to a label map in the image's geometry."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

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

CPU_VOXELS = 1 << 20  # per pass: more at once is no faster and takes more memory


class LoadedMember:
    """A member of a `LoadedModel`: its preprocessing, its network on the device, and the way back to the image.

    The network is built once; with several folds, their logits are averaged. One thread at a time may call `logits`
    and `label_map`, and one `prepare`, which in a cascade predicts with the previous stage.
    """

    def __init__(self, member: Member, runtime: Runtime, options: PredictOptions) -> None:
        """Find the components that the member was made with, and build its network.

        Args:
            member: plans and weights.
            runtime: plugins, and the device where the network computes: float32, on CUDA in half precision with
                float32 sums. Its progress is told of components whose distribution has another version than in
                training.
            options: mirroring, step and the place of sums; the others are not read.

        Raises:
            MissingProvider: a component of the member is not installed; the message holds the remedy.
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

    def prepare(self, image: Image, *, previous: npt.NDArray[np.integer[Any]] | None = None) -> Prepared:
        """Preprocess an image as in training.

        In a cascade the previous stages predict it first, and their label map is the last channel; or `previous` is,
        a label map (z, y, x) in the image's geometry.

        Raises:
            NnplugError: the image has other channels than the member, holds NaN or infinity; a previous stage is
                needed and the member does not hold it.
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
        """Predict a prepared image.

        Args:
            image: (C, z, y, x) float32; in a cascade with the previous stage's label map as one channel more.
            report: called `passes` times.

        Returns:
            (K, z, y, x) float32, the mean over folds; on the device where that has room, else on the CPU.

        Raises:
            NnplugError: the network gives values that are not finite.
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
    ) -> npt.NDArray[np.integer[Any]]:
        """What `labels` makes of `logits`, but memory never holds the logits of the whole image.

        Args:
            image: as in `logits`.
            info: of the prepared image, see `Prepared.info`.
            report: called `passes` times.

        Returns:
            as `labels`.

        Raises:
            NnplugError: as `logits`.
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
        """How often `logits` and `label_map` report for a prepared image of that (z, y, x) shape: after each batch."""
        patch = self.configuration.patch_size
        leading = len(shape) - len(patch)
        padded = [*shape[:leading], *map(max, shape[leading:], patch)]
        return len(window_batches(padded, patch, self.step, self._batch_size)) * len(self.member.weights)

    def labels(self, logits: torch.Tensor, info: Mapping[str, Any]) -> npt.NDArray[np.integer[Any]]:
        """The label map (z, y, x) of an image, in its own geometry; memory holds a few slices of all classes."""
        return self._label_map(logits.unbind(1), logits.shape[1], info)

    def _label_map(
        self, planes: Iterable[torch.Tensor], count: int, info: Mapping[str, Any]
    ) -> npt.NDArray[np.integer[Any]]:
        order = self.member.description.labels.regions_class_order
        return self._preprocessing.inverse(info).label_map(planes, count, regions_class_order=order)

    def probabilities(self, logits: torch.Tensor, info: Mapping[str, Any]) -> Iterator[npt.NDArray[np.float32]]:
        """The probability of each class or region in turn, (z, y, x) float32 in the image's own geometry."""
        regions = self.member.description.labels.has_regions
        return self._preprocessing.inverse(info).probabilities(logits, regions=regions)

    def output(self, logits: torch.Tensor, info: Mapping[str, Any]) -> Logits:
        """Logits (K, z, y, x) with all that is needed to average them with other models', or to store them."""
        made, regions = self._preprocessing.inverse(info), self.member.description.labels.has_regions
        if isinstance(made.inverse, CropInverse):
            return Logits(logits, made.inverse, regions)
        return Logits(logits, made, regions, self._used_preprocessor)

    def predict_logits(self, image: Image) -> Logits:
        """What the model says of an image that is not zero everywhere; raises as `prepare` and `logits` do."""
        prepared = self.prepare(image)
        return self.output(self.logits(prepared.image), prepared.info)

    def predict(self, image: Image) -> npt.NDArray[np.integer[Any]]:
        """The label map (z, y, x) of an image, before postprocessing; raises as `prepare` and `logits` do.

        An image that is zero everywhere gives background and a notice.
        """
        check_image(image, self.member.description.channel_names)
        if not image.array.any():
            self._progress.notice("the image is zero everywhere; its label map is all background")
            return np.zeros(image.geometry.shape, np.uint8)
        prepared = self.prepare(image)
        return self.label_map(prepared.image, prepared.info)

    def _predict_previous(self, image: Image) -> npt.NDArray[np.integer[Any]]:
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
        """The device if sums of so many channels, of two folds, take less than half of what is free; else the CPU."""
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
