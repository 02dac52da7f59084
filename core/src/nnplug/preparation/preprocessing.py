"""Find the preprocessor that plans name, and bind it to a configuration."""

from __future__ import annotations

from nnplug.contracts import Channel, PreprocessingContext, Resampler
from nnplug.contracts.attributed.normalizer import zeroes_outside_mask
from nnplug.contracts.attributed.preprocessor import AttributedPreprocessing
from nnplug.contracts.attributed.resampler import AttributedResampler
from nnplug.contracts.kinds import NORMALIZER, PREPROCESSOR, RESAMPLER, PreprocessorEntry
from nnplug.dataset.labels import Labels
from nnplug.errors import NnplugError
from nnplug.plans.plans import Choice, Plans
from nnplug.preparation.planned import planned_component
from nnplug.registry.attribution import attributed
from nnplug.registry.components import Kind, Registry
from nnplug.registry.loader import Plugins
from nnplug.registry.provenance import resolve
from nnplug.remedies import Action


def planned_preprocessor(plans: Plans, registry: Registry) -> tuple[PreprocessorEntry, Choice]:
    """Return the preprocessor of plans and its choice.

    Raises:
        UnknownComponent, AmbiguousComponent: as in `planned_component`.
    """
    return planned_component(PREPROCESSOR, plans, registry)


def require_preprocessing(plans: Plans, plugins: Plugins) -> list[str]:
    """Return a line for each component of the preprocessing that has another version than when it was planned.

    Raises:
        MissingProvider: the preprocessor or a normalizer is not available; the message has the remedy.
    """
    kinds = (Kind.PREPROCESSOR, Kind.RESAMPLER, Kind.NORMALIZER)
    _, notes = resolve(plans.providers, plugins, what=f"plans {plans.name!r}", kinds=kinds)
    return notes


def bind_preprocessor(
    plans: Plans, configuration_name: str, labels: Labels, registry: Registry
) -> AttributedPreprocessing:
    """Return the preprocessing of a configuration.

    Args:
        plans: the plans, which name the preprocessor and, per channel, the normalizer.
        configuration_name: a configuration of the plans.
        labels: classes or regions, as networks learn them.
        registry: the registry with the components.

    Raises:
        NnplugError: there is no such configuration or component, an option is invalid, or the preprocessor cannot use
            the decisions.
    """
    configuration = plans.configuration(configuration_name)
    for scheme in configuration.normalization:
        zeroes_outside_mask(registry.get(Kind.NORMALIZER, scheme.name))  # not after all cases are preprocessed
    entry, choice = planned_preprocessor(plans, registry)
    channels = tuple(
        Channel(registry.create(NORMALIZER, n.name, n.options), n.use_mask, plans.intensity.get(str(index)))
        for index, n in enumerate(configuration.normalization)
    )
    context = PreprocessingContext(
        plans=plans.name,
        configuration=configuration_name,
        transpose_forward=plans.transpose_forward,
        spacing=configuration.spacing,
        channels=channels,
        resampling=configuration.resampling,
        labels=labels,
        resampler=_resampler(plans, entry, registry),
    )
    preprocessor = entry.create(choice.options)
    with attributed(preprocessor):
        return AttributedPreprocessing(preprocessor, preprocessor.bind(context), len(channels), labels)


def _resampler(plans: Plans, preprocessor: PreprocessorEntry, registry: Registry) -> Resampler | None:
    choice = plans.choices.get(Kind.RESAMPLER)
    if choice is None:
        return None
    check_takes_resampler(choice.name, preprocessor)
    return AttributedResampler(registry.create(RESAMPLER, choice.name, choice.options))


def check_takes_resampler(resampler: str, preprocessor: PreprocessorEntry) -> None:
    """Raise unless the preprocessor uses the resampler that plans name.

    Raises:
        NnplugError: it does not; the message names both.
    """
    if not preprocessor.component.takes_resampler:
        raise NnplugError(
            f"{preprocessor} uses its own resampling, not {resampler!r}: its entry has takes_resampler=False",
            Action.LEAVE_OUT_RESAMPLER(),
        )
