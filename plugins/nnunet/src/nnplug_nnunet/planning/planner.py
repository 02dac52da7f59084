"""`nnunet` and `nnunet-resenc-m`, `-l`, `-xl`: from a fingerprint to plans."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import msgspec
import numpy as np

from nnplug.contracts import PlanningContext
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import Line, NnplugError
from nnplug.plans.fingerprint import Fingerprint
from nnplug.plans.plans import Configuration, Normalization, Plans, Resampling
from nnplug.registry.components import Kind
from nnplug.remedies import Action
from nnplug.runtime.progress import Progress
from nnplug.words import by_axis
from nnplug_nnunet.planning.cascade import low_resolution
from nnplug_nnunet.planning.channels import normalization, unknown_channel
from nnplug_nnunet.planning.class_memory import ClassMemory
from nnplug_nnunet.planning.fit import MIN_BATCH_SIZE, Fit, Fitter
from nnplug_nnunet.planning.network import Network
from nnplug_nnunet.planning.presets import PLAIN, RESENC_L, RESENC_M, RESENC_XL, Budget, Preset
from nnplug_nnunet.planning.space import Floats, Space, target_spacing

CASCADE, LOWRES, FULLRES, PLANE = "3d_cascade_fullres", "3d_lowres", "3d_fullres", "2d"


@dataclass(frozen=True, kw_only=True)
class NnunetPlanner:
    """nnU-Net's default planner.

    Attributes:
        memory_gb: memory of the training device in GB; None for the target of the preset.
        spacing: target spacing (z, y, x) in mm; None to derive it from the dataset.
        transpose: whether the axis of the largest spacing comes first.
        base_features: channels of the finest stage; they double from stage to stage.
        max_features: channels of the coarsest stages; None for 320 in 3D and 512 in 2D.
        count_classes: whether patch and batch also leave room for the loss over all classes, which nnU-Net does not
            count; it matters from some dozens of classes on.
    """

    preset: ClassVar[Preset] = PLAIN

    memory_gb: float | None = None
    spacing: tuple[float, float, float] | None = None
    transpose: bool = True
    base_features: int = 32
    max_features: int | None = None
    count_classes: bool = False

    def __post_init__(self) -> None:
        """Raise `ValueError` if an option allows no plans."""
        for name in ("memory_gb", "base_features", "max_features"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}; expected more than 0")
        if self.spacing is not None and not min(self.spacing) > 0:
            raise ValueError(f"spacing is {list(self.spacing)}; expected mm above 0")

    def plan(self, fingerprint: Fingerprint, description: DatasetDescription, context: PlanningContext) -> Plans:
        """Return the plans; see `nnplug.contracts.Planner`.

        Raises:
            NnplugError: the memory target is too small for any patch, or a named component is not suitable.
        """
        space = Space.of(fingerprint, spacing=self.target_spacing(fingerprint), transpose=self.transpose)
        network = Network.of(self.preset.architecture, description, context)
        classes = ClassMemory(description.labels.outputs, self.memory_target())
        normalizations = _normalizations(fingerprint, description, context)
        maker = _Maker(self, network, normalizations, description.training_cases, classes, context.progress)
        per_configuration = (Kind.ARCHITECTURE, Kind.NORMALIZER)
        return Plans(
            dataset=context.dataset,
            name=context.name,
            recipe=context.recipe,
            choices={str(kind): c for kind, c in context.choices.items() if kind not in per_configuration},
            transpose_forward=space.transpose_forward,
            transpose_backward=space.transpose_backward,
            median_spacing=_three(space.original_median_spacing),
            median_shape=_three(space.original_median_shape),
            intensity=fingerprint.foreground_intensity_properties_per_channel,
            configurations=maker.configurations(space),
        )

    def target_spacing(self, fingerprint: Fingerprint) -> tuple[float, float, float]:
        """Return the spacing (z, y, x) in mm of the full resolution: the option `spacing`, or else by nnU-Net's rule.

        Patches, shapes and the order of the axes follow from it. A subclass can have a rule of its own.
        """
        return self.spacing or target_spacing(fingerprint)

    def memory_target(self) -> float:
        """Return the memory in GB that plans are made for; see `nnplug.contracts.MemoryPlanner`."""
        return self.memory_gb or self.preset.memory_gb

    def fitter(self, budget: Budget, network: Network, classes: ClassMemory) -> Fitter:
        """Return the fitter for a network, with the budget scaled to the memory target."""
        preset = self.preset
        return Fitter(
            elements=cache(network.elements),
            budget=budget.elements * (self.memory_target() / preset.memory_gb),
            reference_batch=budget.batch_size,
            shrink_batch=MIN_BATCH_SIZE if preset.shrink_at_batch_two else budget.batch_size,
            first_volume=budget.volume,
            base_features=self.base_features,
            max_features=self.max_features or budget.max_features,
            dataset_share=preset.dataset_share,
            largest_patch=None if network.takes_topology else network.largest_patch,
            classes=classes if self.count_classes else None,
        )


@dataclass(frozen=True)
class ResEncM(NnunetPlanner):
    """nnU-Net's planner for a residual encoder and 8 GB."""

    preset = RESENC_M


@dataclass(frozen=True)
class ResEncL(NnunetPlanner):
    """nnU-Net's planner for a residual encoder and 24 GB."""

    preset = RESENC_L


@dataclass(frozen=True)
class ResEncXL(NnunetPlanner):
    """nnU-Net's planner for a residual encoder and 40 GB."""

    preset = RESENC_XL


@dataclass(frozen=True)
class _Maker:
    """Makes the configurations of one `Plans`."""

    planner: NnunetPlanner
    network: Network
    normalizations: tuple[Normalization, ...]
    training_cases: int
    classes: ClassMemory
    progress: Progress

    def configurations(self, space: Space) -> dict[str, Configuration]:
        """Return the configurations by name.

        2d is left out, with a notice, if the network takes only volumes.
        """
        volumes = self.volumes(space)
        try:
            return {PLANE: self.plane(space), **volumes}
        except NnplugError as error:
            if self.network.takes_topology or not volumes or type(error) is not NnplugError:
                raise
            self.progress.notice(f"{PLANE} is left out: {error}")
            return volumes

    def plane(self, space: Space) -> Configuration:
        """Return the 2d configuration: the last two axes."""
        spacing, shape = space.spacing[1:], space.median_shape[1:]
        fitter = self.planner.fitter(self.planner.preset.budget_2d, self.network, self.classes)
        fit = fitter.fit(spacing.tolist(), shape.tolist(), self._voxels(space))
        self._report(PLANE, fitter, fit)
        return self._configuration(spacing, shape, fit, batch_dice=True)

    def volumes(self, space: Space) -> dict[str, Configuration]:
        """Return the 3D configurations: none for single slices, a cascade in addition for large images."""
        spacing, shape = space.spacing, space.median_shape
        if shape[0] == 1:
            return {}
        fitter = self.planner.fitter(self.planner.preset.budget_3d, self.network, self.classes)
        fit = fitter.fit(spacing.tolist(), shape.tolist(), self._voxels(space))
        self._report(FULLRES, fitter, fit)
        low = low_resolution(fitter, spacing, shape, fit, self.training_cases)
        full = self._configuration(spacing, shape, fit, batch_dice=low is not None)
        if low is None:
            return {FULLRES: full}
        lowres = self._configuration(low.spacing, low.median_shape, low.fit, batch_dice=False)
        return {
            FULLRES: full,
            LOWRES: msgspec.structs.replace(lowres, next_stage=CASCADE),
            CASCADE: msgspec.structs.replace(full, previous_stage=LOWRES),
        }

    def _report(self, name: str, fitter: Fitter, fit: Fit) -> None:
        """Warn if the loss over the classes does not fit the memory that is planned for."""
        elements, size = fitter.elements(fit.topology, fit.patch_size), by_axis(fit.patch_size)
        if not self.classes.exceeds(elements, fit.patch_size, fit.batch_size):
            return
        needed = self.classes.gigabytes(elements, fit.patch_size, fit.batch_size)
        loss = self.classes.loss_gigabytes(fit.patch_size, fit.batch_size)
        self.progress.warning(
            Line(
                f"{name}: a training step with {self.classes.outputs} outputs at {size}, batch {fit.batch_size}, takes "
                f"about {needed:.1f} GB of GPU memory, {loss:.1f} of them for the loss; the plan is for "
                f"{self.classes.target_gb:g} GB",
                Action.SET_OPTION(assignment="planner.count_classes=true"),
            )
        )

    def _voxels(self, space: Space) -> float:
        return float(np.prod(space.median_shape)) * self.training_cases

    def _configuration(self, spacing: Floats, shape: Floats, fit: Fit, *, batch_dice: bool) -> Configuration:
        return Configuration(
            spacing=tuple(spacing.tolist()),
            patch_size=fit.patch_size,
            batch_size=fit.batch_size,
            median_shape=tuple(shape.tolist()),
            normalization=self.normalizations,
            resampling=Resampling(),
            batch_dice=batch_dice,
            architecture=self.network.choice(fit.topology, fit.patch_size),
        )


def _normalizations(
    fingerprint: Fingerprint, description: DatasetDescription, context: PlanningContext
) -> tuple[Normalization, ...]:
    """Return one normalisation per channel: by the channel's name, unless the user names a normalizer for all."""
    wanted = context.choices.get(Kind.NORMALIZER)
    by_name = wanted is None and "normalization" not in context.overridden
    for channel in description.channel_names if by_name else ():
        if notice := unknown_channel(channel):
            context.progress.notice(notice)
    size = fingerprint.median_relative_size_after_cropping
    return tuple(normalization(c, size, context.registry, normalizer=wanted) for c in description.channel_names)


def _three(values: Floats) -> tuple[float, float, float]:
    a, b, c = values.tolist()
    return a, b, c
