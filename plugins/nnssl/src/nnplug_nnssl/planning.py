"""Plans for a checkpoint: its network, patch and spacing, or those of existing plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from nnplug.dataset.description import DatasetDescription
from nnplug.errors import NnplugError
from nnplug.plans.fingerprint import Fingerprint
from nnplug.plans.plans import Choice, Configuration, Plans
from nnplug.preparation.make_plans import make_plans, with_options, with_providers
from nnplug.preparation.plan_overrides import check_patches, override
from nnplug.preparation.plan_request import PlanRequest
from nnplug.registry.components import PLAN_WORD, Kind
from nnplug.registry.loader import Plugins
from nnplug.runtime.progress import Progress, Silent
from nnplug_nnssl.checkpoint import Pretraining, Size, Spacing
from nnplug_nnssl.finetuning import BATCH_SIZE, Optimizer, optimizer_for, training_options
from nnplug_nnssl.networks import network_for, parts_of

CONFIGURATION = "3d_fullres"
"""The configuration of the plans; nnssl's networks are for volumes."""

SpacingRule = Literal["pretrained", "dataset", "none"]

_RECIPE, _NORMALIZER, _NO_RESAMPLING = "nnunet", "zscore", "nnunet-none"


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """The user's choices for a training from a checkpoint.

    Attributes:
        name: the name of the plans.
        spacing: the spacing (z, y, x) in mm, or that of the pre-training, that of nnU-Net's planner for the dataset, or
            none: images are not resampled.
        patch_size: voxels; None for the patch that the checkpoint recommends.
        optimizer: the optimiser; None for nnU-Net's for the network.
        from_scratch: whether the training begins with random weights, for a comparison.
        options: kind -> option -> value, as in `--set`; they override those of fine-tuning.
    """

    name: str = "nnssl"
    spacing: SpacingRule | Spacing = "pretrained"
    patch_size: Size | None = None
    optimizer: Optimizer | None = None
    from_scratch: bool = False
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def plan_like_pretraining(
    pretraining: Pretraining,
    fingerprint: Fingerprint,
    description: DatasetDescription,
    choices: FineTuning,
    *,
    dataset: str,
    plugins: Plugins,
    progress: Progress,
) -> Plans:
    """Return plans with the network, patch and spacing of a checkpoint, z-scores of every channel, and batches of two.

    The axes, the cropping and the rest are those of nnU-Net's planner for the dataset.

    Raises:
        NnplugError: nnplug lacks the network, the dataset has single slices, or as in `make_plans`.
    """
    network = network_for(pretraining, _patch(pretraining, choices))
    training = training_options(choices.optimizer or optimizer_for(network.name), from_scratch=choices.from_scratch)
    options = {kind: values for kind, values in choices.options.items() if kind != PLAN_WORD}
    base = make_plans(
        fingerprint,
        description,
        PlanRequest(
            recipe=_RECIPE,
            name=choices.name,
            options={**options, "trainer": {**training, **options.get("trainer", {})}},
        ),
        dataset=dataset,
        plugins=plugins,
        progress=Silent(),  # its notices are about configurations and normalizers that are replaced here
    )
    return like_pretraining(base, pretraining, choices, plugins=plugins, progress=progress)


def like_pretraining(
    base: Plans, pretraining: Pretraining, choices: FineTuning, *, plugins: Plugins, progress: Progress
) -> Plans:
    """Return plans whose configuration of volumes becomes that of a checkpoint; the other configurations are left out.

    Network, patch and spacing are replaced, every normalizer by the z-score with the same mask, and the batch size.

    Raises:
        NnplugError: nnplug lacks the network, or the plans have no configuration of volumes.
    """
    planned, patch = _volume(base), _patch(pretraining, choices)
    spacing = _spacing(planned, base, pretraining, choices.spacing, progress)
    changed = msgspec.structs.replace(
        planned,
        spacing=spacing,
        median_shape=tuple(n * a / b for n, a, b in zip(planned.median_shape, planned.spacing, spacing, strict=True)),
        patch_size=patch,
        batch_size=BATCH_SIZE,
        normalization=tuple(
            msgspec.structs.replace(one, name=_NORMALIZER, options=None) for one in planned.normalization
        ),
        architecture=network_for(pretraining, patch),
    )
    unsampled = {str(Kind.RESAMPLER): Choice(name=_NO_RESAMPLING)} if choices.spacing == "none" else {}
    named = msgspec.structs.replace(base, name=choices.name, choices={**base.choices, **unsampled})
    return _finished(named, changed, choices, plugins)


def plan_like_dataset(plans: Plans, choices: FineTuning, *, plugins: Plugins) -> Plans:
    """Return existing plans for a fine-tuning: their 3D network, patch, spacing and normalisation stay.

    Raises:
        NnplugError: they have no configuration of volumes, another network, or a trainer without the options.
    """
    planned = _volume(plans)
    parts_of(planned.architecture.name)
    optimizer = choices.optimizer or optimizer_for(planned.architecture.name)
    training = training_options(optimizer, from_scratch=choices.from_scratch)
    options = {kind: values for kind, values in choices.options.items() if kind != PLAN_WORD}
    named = msgspec.structs.replace(plans, name=choices.name)
    tuned = with_options(
        named, {**options, "trainer": {**training, **options.get("trainer", {})}}, registry=plugins.registry
    )
    return _finished(tuned, msgspec.structs.replace(planned, batch_size=BATCH_SIZE), choices, plugins)


def _finished(plans: Plans, configuration: Configuration, choices: FineTuning, plugins: Plugins) -> Plans:
    """Return plans with one configuration, the user's fields of it, and the providers."""
    alone = msgspec.structs.replace(configuration, next_stage=None, previous_stage=None)
    changed = msgspec.structs.replace(plans, configurations={CONFIGURATION: alone})
    changed = override(changed, dict(choices.options.get(PLAN_WORD, {})), (), plugins.registry)
    check_patches(changed, plugins.registry)
    return with_providers(changed, plugins.registry)


def _patch(pretraining: Pretraining, choices: FineTuning) -> Size:
    return choices.patch_size or pretraining.plan.recommended_downstream_patchsize


def _volume(plans: Plans) -> Configuration:
    if CONFIGURATION not in plans.configurations:
        raise NnplugError(
            f"plans {plans.name!r} have {', '.join(plans.configurations)}, and no {CONFIGURATION}: nnssl's "
            "networks are for volumes"
        )
    return plans.configurations[CONFIGURATION]


def _spacing(
    planned: Configuration, base: Plans, pretraining: Pretraining, rule: SpacingRule | Spacing, progress: Progress
) -> tuple[float, ...]:
    """Return the target spacing on the axes of the plans."""
    if isinstance(rule, tuple):
        return tuple(rule[axis] for axis in base.transpose_forward)
    if rule != "pretrained":
        return planned.spacing
    if pretraining.spacing is None:
        progress.notice(f"{pretraining.path}: the pre-training did not resample; the spacing is that of the dataset")
        return planned.spacing
    return pretraining.spacing
