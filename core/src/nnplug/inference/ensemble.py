"""Prediction with one model or several, whose probabilities are averaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from nnplug.dataset.dataset import DatasetDescription
from nnplug.evaluation.postprocess import FittedRule
from nnplug.inference.averaging import Mean, label_map, mean_volumes
from nnplug.inference.loaded_model import LoadedModel
from nnplug.inference.logits import Logits, background
from nnplug.io.images import Geometry
from nnplug.models.open import Models
from nnplug.registry.runtime import Runtime


@dataclass(frozen=True)
class Ensemble:
    """Models ready to predict, and the postprocessing of what they say together.

    Attributes:
        members: one model or several of the same labels and channels.
        rule: applied to label maps, or None.
    """

    members: tuple[LoadedModel, ...]
    rule: FittedRule | None = None

    @classmethod
    def load(
        cls,
        models: Models,
        runtime: Runtime,
        *,
        mirroring: bool = True,
        step: float = 0.5,
        sums_on_device: bool = True,
    ) -> Self:
        """Build the networks; arguments and errors are those of `LoadedModel`."""
        rule = models.postprocessing
        members = [
            LoadedModel(model, runtime, mirroring=mirroring, step=step, sums_on_device=sums_on_device)
            for model in models.members
        ]
        if rule is None:
            return cls(tuple(members))
        where, progress = "this model's postprocessing", runtime.progress
        return cls(tuple(members), FittedRule.load(rule, runtime.plugins, where=where, progress=progress))

    @property
    def description(self) -> DatasetDescription:
        """Labels, channels and file ending, those of the first member."""
        return self.members[0].model.description

    def label_map(self, outputs: Sequence[Logits], geometry: Geometry) -> npt.NDArray[np.integer[Any]]:
        """The postprocessed label map (z, y, x) of an image.

        Args:
            outputs: what each member says, in their order; none where the image is zero everywhere.
            geometry: of the image.
        """
        if len(outputs) == 1:
            labels = outputs[0].label_map(self.description.labels)
        else:
            labels = label_map(self.mean(outputs, geometry), self.description.labels)
        return self.postprocessed(labels, geometry)

    def postprocessed(self, labels: npt.NDArray[np.integer[Any]], geometry: Geometry) -> npt.NDArray[np.integer[Any]]:
        """A label map (z, y, x) after the rule, if there is one."""
        return labels if self.rule is None else self.rule(labels, geometry.spacing)

    def probabilities(
        self, outputs: Sequence[Logits], geometry: Geometry, scratch: Path
    ) -> Iterator[npt.NDArray[np.float32]]:
        """The mean probability of each class or region in turn, (z, y, x) float32.

        Args:
            outputs: as in `label_map`.
            geometry: of the image.
            scratch: on whose disk the means of several members wait, see `nnplug.runtime.memmap`.
        """
        if len(outputs) == 1:
            return outputs[0].volumes()
        return mean_volumes(self.mean(outputs, geometry), scratch)

    def mean(self, outputs: Sequence[Logits], geometry: Geometry) -> Mean:
        """The mean of what the members say, slice by slice; arguments as in `label_map`."""
        return Mean(outputs or [background(geometry, self.description.labels)])
