"""Express the components of a model in the words of `model.json`, or refuse those that it has no words for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnplug.contracts.kinds import INFERENCE, NORMALIZER, PREPROCESSOR, RESAMPLER
from nnplug.dataset.labels import Labels
from nnplug.errors import NnplugError
from nnplug.evaluation.postprocess import RuleRecord
from nnplug.inference.components.sliding_window import SlidingWindowInference
from nnplug.io.readers import Readers
from nnplug.models.model_components import model_readers
from nnplug.models.open import Member, Model
from nnplug.ops.resample import ANISOTROPY
from nnplug.plans.fingerprint import IntensityStats
from nnplug.plans.plans import Configuration, SplineOrders
from nnplug.preparation.planned import planned_component
from nnplug.registry.components import AnyEntry, Kind, Registry
from nnplug_export import schema

_PREPROCESSOR = "nnplug_nnunet.preprocessor:NnunetPreprocessor"
_POSTPROCESSOR = "nnplug_nnunet.postprocessor:LargestComponent"
_INFERENCE = "nnplug.inference.components.sliding_window:SlidingWindowInference"
_SPLINES = "nnplug_nnunet.resamplers:SplineResampler"
_NONE = "nnplug_nnunet.resamplers:NoResampler"
_LINEAR = "nnplug_nnunet.resamplers:TorchResampler"
_NORMALIZERS: Mapping[str, schema.Scheme] = {
    "nnplug_nnunet.normalizers:ZScore": "zscore",
    "nnplug_nnunet.normalizers:CT": "ct",
    "nnplug_nnunet.normalizers:Unchanged": "none",
    "nnplug_nnunet.normalizers:RescaleTo01": "rescale-0-1",
    "nnplug_nnunet.normalizers:RGBTo01": "rgb-0-1",
}
SIGMA, TRUNCATE = 1 / 8, 4.0
"""The Gaussian of `nnplug.ops.sliding_window`."""


def described_labels(labels: Labels) -> schema.Labels:
    """Return the classes or regions."""
    values = {name: tuple(own) for name, own in labels.values.items()}
    return schema.Labels(values=values, regions=labels.has_regions, paint=labels.regions_class_order)


def described_stage(member: Member, registry: Registry, previous: schema.Stage | None) -> schema.Stage:
    """Return a stage without its folds.

    Args:
        member: the member of the model.
        registry: its components, see `nnplug.models.model_components.components_of`.
        previous: the stage before it in a cascade.

    Raises:
        NnplugError: a component has no words in `model.json`; the message names it.
    """
    plans, labels = member.plans, member.description.labels
    configuration = plans.configuration(member.configuration)
    preprocessor, _ = planned_component(PREPROCESSOR, plans, registry)
    _expect(preprocessor, _PREPROCESSOR)
    return schema.Stage(
        configuration=member.configuration,
        plans_digest=plans.digest(),
        transpose=plans.transpose_forward,
        crop="nonzero",
        spacing=configuration.spacing,
        median_spacing=plans.median_spacing,
        channels=_channels(member, configuration, registry),
        resampling=_resampling(member, configuration, registry),
        windows=_windows(member, configuration, registry),
        previous_labels=configuration.previous_labels(labels),
        inputs=configuration.input_channels(member.description),
        outputs=labels.outputs,
        folds=(),
        previous=previous,
    )


def described_postprocessing(model: Model) -> schema.Postprocessing | None:
    """Return the rule of a model, or None.

    Raises:
        NnplugError: it is a rule of another postprocessor than largest-component.
    """
    if model.postprocessing is None:
        return None
    record = RuleRecord.from_data(model.postprocessing, "the postprocessing rule")
    used = record.provider
    if used.target != _POSTPROCESSOR:
        raise _inexpressible(f"postprocessor {used.name!r} from {used.distribution} {used.version}")
    return schema.Postprocessing(keep_largest=tuple(tuple(step) for step in record.rule["keep_largest"]))


def check_reader(model: Model, registry: Registry) -> None:
    """Raise `NnplugError` if the images of the training were read by another reader than nnplug's own."""
    readers = model_readers(model, Readers.of(registry))
    for entry in readers.entries:
        if entry.name == readers.preferred and not entry.component.implied:
            raise _inexpressible(str(entry))


def _channels(member: Member, configuration: Configuration, registry: Registry) -> tuple[schema.Channel, ...]:
    names = member.description.channel_names
    channels = []
    for index, (name, own) in enumerate(zip(names, configuration.normalization, strict=True)):
        entry = registry.get(NORMALIZER, own.name)
        target = entry.component.target
        if target not in _NORMALIZERS:
            raise _inexpressible(str(entry))
        intensity = member.plans.intensity.get(str(index))
        statistics = _statistics(intensity) if _NORMALIZERS[target] == "ct" and intensity is not None else None
        channels.append(
            schema.Channel(name=name, scheme=_NORMALIZERS[target], use_mask=own.use_mask, statistics=statistics)
        )
    return tuple(channels)


def _statistics(intensity: IntensityStats) -> schema.Statistics:
    return schema.Statistics(
        mean=intensity.mean,
        std=intensity.std,
        percentile_00_5=intensity.percentile_00_5,
        percentile_99_5=intensity.percentile_99_5,
    )


def _resampling(member: Member, configuration: Configuration, registry: Registry) -> schema.Resampling:
    choice, own = member.plans.choices.get(Kind.RESAMPLER), configuration.resampling
    target, entry = _SPLINES, None
    if choice is not None:
        entry = registry.get(RESAMPLER, choice.name)
        target = entry.component.target
    linear = target == _LINEAR
    # how torch rounds decides which label wins a tie, and ties are frequent between grids of a cascade
    if target not in (_SPLINES, _NONE, _LINEAR) or (linear and configuration.previous_stage is not None):
        raise _inexpressible(str(entry))
    return schema.Resampling(
        grid="own" if target == _NONE else "spacing",
        image=_interpolation(own.image, 1 if linear else own.image.order, clip=not linear),
        labels=_interpolation(own.label, own.label.order),
        logits=_interpolation(own.probability, 1),
    )


def _interpolation(splines: SplineOrders, order: int, *, clip: bool = False) -> schema.Interpolation:
    return schema.Interpolation(order=order, separate_slices=splines.force_separate_z, anisotropy=ANISOTROPY, clip=clip)


def _windows(member: Member, configuration: Configuration, registry: Registry) -> schema.Windows:
    entry, choice = planned_component(INFERENCE, member.plans, registry)
    _expect(entry, _INFERENCE)
    inference: Any = entry.create(choice.options)
    assert isinstance(inference, SlidingWindowInference), "the entry has its target"
    return schema.Windows(
        patch_size=tuple(configuration.patch_size),
        step=inference.step,
        sigma=SIGMA,
        truncate=TRUNCATE,
        mirror_axes=member.mirror_axes,
    )


def _expect(entry: AnyEntry, target: str) -> None:
    if entry.component.target != target:
        raise _inexpressible(str(entry))


def _inexpressible(component: str) -> NnplugError:
    return NnplugError(
        f"{component} cannot be exported: {schema.MODEL} has no words for what it does. Predict with nnplug where this "
        "component is installed"
    )
