"""The preprocessor that plans name, ready for one of their configurations."""

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


def implied_preprocessor(registry: Registry) -> PreprocessorEntry:
    """Return the preprocessor of plans that name none: those that nnplug made before preprocessors were components.

    Raises:
        UnknownComponent: no installed plugin says `implied=True` of a preprocessor.
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
    """Return the preprocessor of plans and its choice; raises as `Registry.get` and `implied_preprocessor` do."""
    choice = plans.choices.get(Kind.PREPROCESSOR)
    if choice is None:
        entry = implied_preprocessor(registry)
        return entry, Choice(name=entry.name)
    return registry.get(PREPROCESSOR, choice.name), choice


def bind_preprocessor(
    plans: Plans, configuration_name: str, labels: Labels, registry: Registry
) -> AttributedPreprocessing:
    """Return the preprocessing of a configuration.

    Args:
        plans: they name the preprocessor and, per channel, the normalizer.
        configuration_name: a configuration of the plans.
        labels: classes or regions, as networks learn them.
        registry: where components come from.

    Raises:
        NnplugError: there is no such configuration or component, an option does not suit, or the preprocessor refuses
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
        return AttributedPreprocessing(preprocessor, preprocessor.bind(context), len(channels))


def in_form_of(plans: Plans, earlier: Plans, registry: Registry) -> Plans:
    """Return new plans without the name of the preprocessor where the earlier plans mean the same one without a name.

    So plans that an older nnplug began to train with stay equal, and so do their digests.

    Args:
        plans: planned now.
        earlier: the plans of that name on disk.
        registry: where components come from.
    """
    choice = plans.choices.get(Kind.PREPROCESSOR)
    if choice is None or choice.options or Kind.PREPROCESSOR in earlier.choices:
        return plans
    if not registry.get(PREPROCESSOR, choice.name).component.implied:
        return plans
    kept = {kind: chosen for kind, chosen in plans.choices.items() if kind != Kind.PREPROCESSOR}
    return msgspec.structs.replace(plans, choices=kept)
