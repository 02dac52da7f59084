"""Find the preprocessor that plans name, and bind it to a configuration."""

from __future__ import annotations

import msgspec

from nnplug.contracts import Channel, PreprocessingContext
from nnplug.contracts.attributed.preprocessing import AttributedPreprocessing
from nnplug.contracts.kinds import NORMALIZER, PREPROCESSOR, PreprocessorEntry
from nnplug.dataset.labels import Labels
from nnplug.errors import UnknownComponent
from nnplug.plans.plans import Choice, Plans
from nnplug.registry.attribution import attributed
from nnplug.registry.components import Kind, Registry
from nnplug.registry.entries import PreprocessorComponent
from nnplug.registry.loader import Plugins
from nnplug.registry.provenance import resolve


def implied_preprocessor(registry: Registry) -> PreprocessorEntry:
    """Return the preprocessor of plans that name none, made before preprocessors were components.

    Raises:
        UnknownComponent: no installed plugin has a preprocessor with `implied=True`.
        AmbiguousComponent: several distributions offer it.
    """
    for entry in registry:
        if isinstance(entry.component, PreprocessorComponent) and entry.component.implied:
            return registry.get(PREPROCESSOR, entry.name)
    raise UnknownComponent(
        "the plans are of an older nnplug and name no preprocessor, and no installed plugin offers the one that they "
        "mean. Install or unblock the plugin that planned them (see 'providers' in the plans)."
    )


def planned_preprocessor(plans: Plans, registry: Registry) -> tuple[PreprocessorEntry, Choice]:
    """Return the preprocessor of plans and its choice.

    Raises:
        UnknownComponent, AmbiguousComponent: as in `Registry.get` and `implied_preprocessor`.
    """
    choice = plans.choices.get(Kind.PREPROCESSOR)
    if choice is None:
        entry = implied_preprocessor(registry)
        return entry, Choice(name=entry.name)
    return registry.get(PREPROCESSOR, choice.name), choice


def require_preprocessing(plans: Plans, plugins: Plugins) -> list[str]:
    """Return a line for each component of the preprocessing that has another version than when it was planned.

    Raises:
        MissingProvider: the preprocessor or a normalizer is not available; the message has the remedy.
    """
    kinds = (Kind.PREPROCESSOR, Kind.NORMALIZER)
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
    )
    preprocessor = entry.create(choice.options)
    with attributed(preprocessor):
        return AttributedPreprocessing(preprocessor, preprocessor.bind(context), len(channels), labels)


def in_form_of(plans: Plans, earlier: Plans, registry: Registry) -> Plans:
    """Return new plans without the name of the preprocessor, if the earlier plans imply the same one without a name.

    So plans of runs that an older nnplug started stay equal, and so do their digests.

    Args:
        plans: the new plans.
        earlier: the plans with the same name on disk.
        registry: the registry with the components.
    """
    choice = plans.choices.get(Kind.PREPROCESSOR)
    if choice is None or choice.options or Kind.PREPROCESSOR in earlier.choices:
        return plans
    if not registry.get(PREPROCESSOR, choice.name).component.implied:
        return plans
    kept = {kind: chosen for kind, chosen in plans.choices.items() if kind != Kind.PREPROCESSOR}
    return msgspec.structs.replace(plans, choices=kept)
