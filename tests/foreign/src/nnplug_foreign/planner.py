"""The component `foreign` of kind planner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnplug.contracts import MemoryPlanner, PlanningContext
from nnplug.contracts.capabilities import patch_class
from nnplug.contracts.kinds import ARCHITECTURE
from nnplug.dataset.description import DatasetDescription
from nnplug.plans.fingerprint import Fingerprint
from nnplug.plans.plans import Choice, Configuration, Normalization, Plans, Resampling
from nnplug.registry.components import Kind

ARCHITECTURE_NAME = "foreign-dilated"
NORMALIZER_NAME = "foreign-range"
BYTES = 8
"""Bytes of memory per element of a feature map: itself and its gradient, in float32."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class BudgetPlanner(MemoryPlanner):
    """Plans `planes` (2D) and `volume` (3D) at the median spacing, with the largest patch that fits the memory.

    The axis of the largest spacing comes first, so that planes lie across it.

    Attributes:
        memory_gb: of the device that trains, for the feature maps of a batch.
        batch_size: samples per batch.
    """

    memory_gb: float = 4.0
    batch_size: int = 2

    def __post_init__(self) -> None:
        """Refuse what no plan could be made of."""
        if self.memory_gb <= 0 or self.batch_size < 1:
            raise ValueError(f"memory_gb is {self.memory_gb}, batch_size {self.batch_size}; expected more than 0")

    def plan(self, fingerprint: Fingerprint, description: DatasetDescription, context: PlanningContext) -> Plans:
        """See `nnplug.contracts.Planner`.

        Raises:
            NnplugError: the images or the memory are too small for any patch.
        """
        spacings, shapes = np.array(fingerprint.spacings), np.array(fingerprint.shapes_after_crop)
        forward = np.argsort(-np.median(spacings, axis=0), kind="stable")
        spacing = np.median(spacings, axis=0)[forward]
        shape = np.median(shapes * spacings / np.median(spacings, axis=0), axis=0)[forward]
        maker = _Maker(self, description, context)
        configurations = {"planes": maker.configuration(spacing[1:], shape[1:])}
        if np.median(shapes, axis=0)[forward[0]] > 1:
            configurations["volume"] = maker.configuration(spacing, shape)
        per_configuration = (Kind.ARCHITECTURE, Kind.NORMALIZER)
        return Plans(
            dataset=context.dataset,
            name=context.name,
            recipe=context.recipe,
            choices={str(kind): c for kind, c in context.choices.items() if kind not in per_configuration},
            transpose_forward=_three(forward),
            transpose_backward=_three(np.argsort(forward)),
            median_spacing=_three(spacing),
            median_shape=_three(np.median(shapes, axis=0)[forward]),
            intensity=fingerprint.foreground_intensity_properties_per_channel,
            configurations=configurations,
        )

    def memory_target(self) -> float:
        """See `nnplug.contracts.MemoryPlanner`."""
        return self.memory_gb


@dataclass(frozen=True)
class _Maker:
    planner: BudgetPlanner
    description: DatasetDescription
    context: PlanningContext

    def configuration(self, spacing: Floats, shape: Floats) -> Configuration:
        """Return the configuration for images of that spacing (mm) and median shape (voxels)."""
        patch, network = self._fitted([max(1, round(size)) for size in shape.tolist()])
        wanted = self.context.choices.get(Kind.NORMALIZER)
        name, own = (NORMALIZER_NAME, None) if wanted is None else (wanted.name, wanted.options or None)
        channels = self.description.channel_names
        return Configuration(
            spacing=tuple(spacing.tolist()),
            patch_size=patch,
            batch_size=self.planner.batch_size,
            median_shape=tuple(shape.tolist()),
            normalization=tuple(Normalization(name=name, use_mask=False, options=own) for _ in channels),
            resampling=Resampling(),
            batch_dice=False,
            architecture=network,
        )

    def _fitted(self, limit: Sequence[int]) -> tuple[tuple[int, ...], Choice]:
        """Return the largest patch within the limit that fits the memory, and the network for it."""
        wanted = self.context.choices.get(Kind.ARCHITECTURE, Choice(name=ARCHITECTURE_NAME))
        entry = self.context.registry.get(ARCHITECTURE, wanted.name)
        network = patch_class(entry)
        budget = self.planner.memory_gb * 1e9 / BYTES / self.planner.batch_size
        size = list(limit)
        while True:
            patch = network.largest_patch(size)
            options = {**network.options_for_patch(patch), **wanted.options, **self.context.architecture_options}
            channels, heads = len(self.description.channel_names), self.description.labels.outputs
            if entry.create(options).feature_map_elements(patch, channels=channels, heads=heads) <= budget:
                return patch, Choice(name=wanted.name, options=options)
            size[int(np.argmax(size))] -= 1


def _three(values: npt.NDArray[Any]) -> Any:
    a, b, c = values.tolist()
    return a, b, c
