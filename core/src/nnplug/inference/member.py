"""Predict with one member of a model: from an image to a label map on the image's grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch

from nnplug.arrays import LabelArray
from nnplug.contracts import CropInverse, InferenceContext
from nnplug.contracts.attributed.inference import AttributedInference
from nnplug.contracts.capabilities import slabbed
from nnplug.errors import NnplugError
from nnplug.inference.choose_inference import ChosenInference, choose_inference
from nnplug.inference.fitting.attempts import Attempts, Report, Reports, Work, out_of_memory
from nnplug.inference.fitting.batch_size import windows_per_pass
from nnplug.inference.fitting.finite import FiniteCheck
from nnplug.inference.inputs import check_image
from nnplug.inference.logits import Logits, UsedPreprocessor
from nnplug.inference.options import PredictOptions
from nnplug.io.images import Image
from nnplug.models.model_components import components_of
from nnplug.models.network import MemberNetwork
from nnplug.models.open import Member
from nnplug.preparation.preprocessing import bind_preprocessor, planned_preprocessor
from nnplug.registry.components import Registry
from nnplug.registry.provenance import Provider
from nnplug.registry.runtime import Runtime
from nnplug.runtime.device_memory import lacks_memory
from nnplug.workspace.case_store import Prepared

T = TypeVar("T")

EXPORT_BYTES = 1 << 28
"""The largest size of the logits that a GPU makes of the mean at once, when slabs have other channels."""


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
            options: mirroring, inference and device of the sums; the other options are not read.

        Raises:
            MissingProvider: a component of the member is not installed; the message has the remedy.
            NnplugError: the member cannot be used for prediction here.
        """
        self.member = member
        self.device = runtime.torch_device()
        self.configuration = member.plans.configuration(member.configuration)
        self.mirror_axes = member.mirror_axes if options.mirroring else ()
        self._progress = runtime.progress
        registry = components_of(member, runtime.plugins, self._progress, kinds=options.needed_kinds)
        labels = member.description.labels
        self._previous_labels = self.configuration.previous_labels(labels)
        self._previous = None if member.previous is None else LoadedMember(member.previous, runtime, options)
        self._preprocessing = bind_preprocessor(member.plans, member.configuration, labels, registry)
        self._used_preprocessor = _used_preprocessor(member, registry)
        chosen = choose_inference(member.plans, registry, options, runtime.registry)
        self.inference = chosen.data()
        self._network, self._attempts = self._loaded(registry, chosen, options)

    def _loaded(
        self, registry: Registry, chosen: ChosenInference, options: PredictOptions
    ) -> tuple[MemberNetwork, Attempts]:
        """Return the network on the device, and the inference with the batches that fit there.

        Raises:
            OutOfResources: the device has too little memory for the network and one window.
        """
        labels, made = self.member.description.labels, chosen.create()
        channels = len(self.member.description.channel_names) + bool(self._previous_labels)
        context = InferenceContext(
            patch_size=tuple(self.configuration.patch_size),
            batch_size=1,
            mirror_axes=self.mirror_axes,
            outputs=labels.outputs,
            device=self.device,
            sums_on_device=options.sums_on_device,
            check_size=_any_size,
        )
        try:
            network = MemberNetwork(self.member, registry, self.device, self._progress)
            batch = windows_per_pass(
                self.configuration, self.device, channels=channels, outputs=labels.outputs, network=network.trial
            )
        except RuntimeError as error:
            if not lacks_memory(error):
                raise
            raise out_of_memory(context, channels) from error
        context = replace(context, batch_size=batch, check_size=network.check_size)
        inference = AttributedInference(made, slabbed(chosen.entry, made), context)
        return network, Attempts(network, inference, self._progress)

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

    def logits(self, prepared: Prepared, *, report: Report | None = None, case: str = "the image") -> Logits:
        """Return the logits of a preprocessed image, the mean over folds.

        Args:
            prepared: an image; in a cascade its last channel is the previous stage's label map.
            report: called `passes` times.
            case: the name of the image, for notices.

        Returns:
            Logits with values (K, z, y, x) float32 on the device if it has room, else on the CPU; and with everything
            that averaging with other models, or storing them, needs.

        Raises:
            NnplugError: the network returns values that are not finite.
            OutOfResources: the device has too little memory for one window.
        """
        image = _tensor(prepared)
        return self._run(partial(self._logits, prepared, image), image, report, case)

    def _logits(
        self,
        prepared: Prepared,
        image: torch.Tensor,
        inference: AttributedInference,
        finite: FiniteCheck,
        report: Report,
    ) -> Logits:
        total: torch.Tensor | None = None
        for weights in self.member.weights:
            logits = inference.logits(partial(self._network, weights), image, report)
            total = logits if total is None else total.add_(logits.to(total.device))
        assert total is not None  # a model has weights
        values = finite(total.div_(len(self.member.weights)))
        inverse, regions = self._preprocessing.inverse(prepared.info), self.member.description.labels.has_regions
        if isinstance(inverse.inverse, CropInverse):
            return Logits(values, inverse.inverse, regions)
        return Logits(values, inverse, regions, self._used_preprocessor)

    def label_map(self, prepared: Prepared, *, report: Report | None = None, case: str = "the image") -> LabelArray:
        """Return the label map (z, y, x) of a preprocessed image, on the image's grid, before postprocessing.

        Not all of the logits are in memory, except in 2D, where windows of many slices share a batch, and with an
        inference that gives no slabs.

        Args:
            prepared: as in `logits`.
            report: called `passes` times.
            case: as in `logits`.

        Raises:
            NnplugError: as in `logits`.
        """
        image = _tensor(prepared)
        return self._run(partial(self._label_map, prepared, image), image, report, case)

    def _label_map(
        self,
        prepared: Prepared,
        image: torch.Tensor,
        inference: AttributedInference,
        finite: FiniteCheck,
        report: Report,
    ) -> LabelArray:
        labels = self.member.description.labels
        if self.configuration.dimensions == 2 or inference.slabbed is None:
            return self._logits(prepared, image, inference, finite, report).label_map(labels)
        averaged = self._network.averages(self.member.weights)
        slabs = inference.slabs(averaged.networks, image, averaged.channels, report)
        planes = (plane for slab in slabs for plane in _planes(slab, averaged.to_logits, labels.outputs, finite))
        inverse = self._preprocessing.inverse(prepared.info)
        return inverse.label_map(planes, image.shape[1], regions_class_order=labels.regions_class_order)

    def _run(self, work: Work[T], image: torch.Tensor, report: Report | None, case: str) -> T:
        reports = Reports(report or _ignored, self.passes(image.shape[1:]))
        return self._attempts.run(work, image, reports, case=case)

    def passes(self, shape: Sequence[int]) -> int:
        """Return the number of reports for a preprocessed image of this shape (z, y, x)."""
        return self._attempts.inference.passes(shape) * len(self.member.weights)

    def predict(self, image: Image, *, report: Report | None = None) -> LabelArray:
        """Return the label map (z, y, x) of an image, before postprocessing.

        For an image that is zero everywhere the result is background, with a notice. `report` is that of `logits`.

        Raises:
            NnplugError: as in `prepare` and `logits`.
        """
        check_image(image, self.member.description.channel_names)
        if not image.array.any():
            self._progress.notice("the image is zero everywhere; its label map is all background")
            return np.zeros(image.geometry.shape, np.uint8)
        prepared = self.prepare(image)
        return self.label_map(prepared, report=report)

    def _predict_previous(self, image: Image) -> LabelArray:
        if self._previous is None:
            raise NnplugError(
                f"{self.member.configuration!r} refines predictions of {self.configuration.previous_stage!r}, which "
                "this model does not hold; open the bundle of the cascade"
            )
        return self._previous.predict(image)


def _planes(
    slab: torch.Tensor,
    to_logits: Callable[[torch.Tensor], torch.Tensor],
    outputs: int,
    finite: FiniteCheck,
) -> Iterator[torch.Tensor]:
    """Yield the logits (K, y, x) of each row of a slab (channels, rows, y, x); on a GPU of many rows together."""
    if slab.device.type == "cpu":
        yield from (finite(to_logits(plane)) for plane in slab.unbind(1))
        return
    rows = max(1, EXPORT_BYTES // (outputs * slab[0, 0].numel() * slab.element_size()))
    for part in torch.split(slab, rows, dim=1):
        yield from finite(to_logits(part)).unbind(1)


def _any_size(size: Sequence[int]) -> None:
    """Accept every size, before there is a network."""


def _tensor(prepared: Prepared) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(prepared.image, np.float32))


def _used_preprocessor(member: Member, registry: Registry) -> UsedPreprocessor:
    entry, choice = planned_preprocessor(member.plans, registry)
    return UsedPreprocessor(provider=Provider.of(entry), options=choice.options)


def _ignored() -> None:
    """Ignore a report of progress."""
