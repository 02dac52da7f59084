"""A loaded model of one member or several, whose probabilities are averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from nnplug.arrays import LabelArray
from nnplug.dataset.description import DatasetDescription
from nnplug.evaluation.postprocess import FittedRule
from nnplug.inference.averaging import Mean, label_map, mean_volumes
from nnplug.inference.inputs import check_image
from nnplug.inference.logits import Logits, background
from nnplug.inference.member import LoadedMember
from nnplug.inference.options import PredictOptions
from nnplug.io.images import Geometry, Image
from nnplug.io.thin_axis import turned_image
from nnplug.models.open import Model
from nnplug.registry.runtime import Runtime


@dataclass(frozen=True)
class LoadedModel:
    """A model whose networks are on the device. It computes logits, probabilities and the label map of an image.

    The probabilities of several members are averaged. One thread at a time may predict.

    Attributes:
        members: one or several of the same labels and channels.
        rule: the postprocessing of label maps, or None.
    """

    members: tuple[LoadedMember, ...]
    rule: FittedRule | None = None

    @classmethod
    def load(cls, model: Model, runtime: Runtime, options: PredictOptions) -> Self:
        """Return a model with its networks built; arguments and errors are those of `LoadedMember`."""
        for line in model.left_out:
            runtime.progress.warning(line)
        members = tuple(LoadedMember(member, runtime, options) for member in model.members)
        rule = model.postprocessing
        if rule is None:
            return cls(members)
        where, progress = "this model's postprocessing", runtime.progress
        return cls(members, FittedRule.load(rule, runtime.plugins, where=where, progress=progress))

    @property
    def description(self) -> DatasetDescription:
        """The labels, channels and file ending of the first member."""
        return self.members[0].member.description

    def turned(self, image: Image) -> Image:
        """Return an image of one slice with the slice's axis where networks in 2D take it, if all members are such.

        Other images are returned as they are.
        """
        places = {member.member.plans.transpose_forward[0] for member in self.members}
        if len(places) > 1 or any(member.configuration.dimensions == 3 for member in self.members):
            return image
        return turned_image(image, places.pop())

    def logits(self, image: Image, *, report: Callable[[], None] | None = None) -> list[Logits]:
        """Return the logits of each member; none if the image is zero everywhere.

        Args:
            image: the image.
            report: called after each pass of a network; what it raises ends the prediction.

        Raises:
            NnplugError: as in `LoadedMember.prepare` and `LoadedMember.logits`.
        """
        check_image(image, self.description.channel_names)
        if not image.array.any():
            return []
        return [member.logits(member.prepare(image), report=report) for member in self.members]

    def label_map(self, outputs: Sequence[Logits], geometry: Geometry) -> LabelArray:
        """Return the postprocessed label map (z, y, x) of an image.

        Args:
            outputs: the logits of each member, in their order; none if the image is zero everywhere.
            geometry: the geometry of the image.
        """
        if len(outputs) == 1:
            labels = outputs[0].label_map(self.description.labels)
        else:
            labels = label_map(self.mean(outputs, geometry), self.description.labels)
        return self.postprocessed(labels, geometry)

    def postprocessed(self, labels: LabelArray, geometry: Geometry) -> LabelArray:
        """Return a label map (z, y, x) after the rule, if there is one."""
        return labels if self.rule is None else self.rule(labels, geometry.spacing)

    def probabilities(
        self, outputs: Sequence[Logits], geometry: Geometry, scratch: Path
    ) -> Iterator[npt.NDArray[np.float32]]:
        """Return the mean probability of each class or region in turn, (z, y, x) float32.

        Args:
            outputs: as in `label_map`.
            geometry: the geometry of the image.
            scratch: a folder on the disk for the memory-mapped means of several members, see `nnplug.runtime.memmap`.
        """
        if len(outputs) == 1:
            return outputs[0].volumes()
        return mean_volumes(self.mean(outputs, geometry), scratch)

    def mean(self, outputs: Sequence[Logits], geometry: Geometry) -> Mean:
        """Return the mean probabilities of the members, slice by slice; arguments as in `label_map`."""
        return Mean(outputs or [background(geometry, self.description.labels)])
