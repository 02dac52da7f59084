"""Make plans: find the components, let the planner plan, check the user's options and add them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from nnplug.contracts import Planner, PlanningContext
from nnplug.contracts.kinds import INFERENCE, PREPROCESSOR
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import InvalidOptions, NnplugError
from nnplug.plans.fingerprint import Fingerprint
from nnplug.plans.names import check_names
from nnplug.plans.plans import Choice, Plans
from nnplug.preparation.optional_components import OPTIONAL, without_refused
from nnplug.preparation.plan_overrides import check_patches, override
from nnplug.preparation.plan_request import NO_CHOICES, PlanRequest
from nnplug.preparation.planned import implied_component, planned_component
from nnplug.preparation.preprocessing import check_takes_resampler, planned_preprocessor
from nnplug.registry.attribution import attributed, expect
from nnplug.registry.components import PLAN_WORD, AnyEntry, Kind, Registry
from nnplug.registry.loader import Plugins
from nnplug.registry.provenance import record
from nnplug.registry.recipes import preset
from nnplug.remedies import Action
from nnplug.runtime.progress import Progress, Silent

AFTER_PLANNING = (Kind.AUGMENTER, *OPTIONAL, Kind.TRAINER, Kind.POSTPROCESSOR)
"""The kinds whose options can change without new planning or preprocessing."""

Options = Mapping[str, Mapping[str, Any]]
"""Kind -> option -> value, as returned by `nnplug.plans.overrides.parse`."""


def make_plans(
    fingerprint: Fingerprint,
    description: DatasetDescription,
    request: PlanRequest = NO_CHOICES,
    *,
    dataset: str,
    plugins: Plugins,
    progress: Progress | None = None,
) -> Plans:
    """Return the plans of a dataset. A pure function: no file is read or written, and no network is built.

    Args:
        fingerprint: the fingerprint of the dataset.
        description: the content of `dataset.json`.
        request: the user's choices; the default recipe fills the kinds that they leave out.
        dataset: the name of the dataset.
        plugins: the plugins that offer the components.
        progress: receives notices.

    Raises:
        UnknownComponent, AmbiguousComponent: no distribution offers a name, or several do.
        NnplugError: a kind has no component, see `nnplug.registry.recipes.preset`.
        InvalidOptions: an option is unknown or its value is invalid. The options of all components are checked here.
        NnplugError: fingerprint and `dataset.json` contradict each other, or no plan is possible.
    """
    _check_fingerprint(fingerprint, description)
    registry, given = plugins.registry, request.options
    choices, architecture_options = choose(registry, request.recipe, request.components, given)
    chosen = preset(registry, request.recipe, request.components)
    planner = choices[Kind.PLANNER]
    context = PlanningContext(
        dataset=dataset,
        name=request.name or (planner.name if chosen.is_default else chosen.recipe),
        recipe=chosen.recipe,
        choices=choices,
        registry=registry,
        architecture_options=architecture_options,
        progress=progress or Silent(),
        overridden=frozenset({**chosen.options.get(PLAN_WORD, {}), **given.get(PLAN_WORD, {})}),
    )
    decide: Planner = registry.create(Kind.PLANNER, planner.name, planner.options)
    with attributed(decide):
        plans = expect(decide, decide.plan(fingerprint, description, context), Plans)
    check_names(plans.name, plans.configurations, dataset)
    plans = override(plans, chosen.options.get(PLAN_WORD, {}), (), registry)
    plans = override(plans, given.get(PLAN_WORD, {}), request.configurations, registry)
    check_patches(plans, registry)
    facts = {"orientations": fingerprint.orientations, "channel_names": description.channel_names}
    plans = msgspec.structs.replace(plans, **facts)
    return with_providers(plans, registry)


def with_providers(plans: Plans, registry: Registry) -> Plans:
    """Return the plans with the present provider of every component that they name.

    Raises:
        UnknownComponent, AmbiguousComponent: as in `Registry.get`.
    """
    return msgspec.structs.replace(plans, providers=record(_entries(plans, registry)))


def transfer_plans(
    source: Plans,
    description: DatasetDescription,
    *,
    dataset: str,
    plugins: Plugins,
    name: str | None = None,
    options: Options | None = None,
    configurations: Sequence[str] = (),
) -> Plans:
    """Return the plans of another dataset for this one, so that both have the same network, for pretrained weights.

    Spacing, patch, batch, network, normalisation and its intensity statistics stay those of the source, as when nnU-Net
    moves plans between datasets. The outputs follow the labels of this dataset. Kinds without a component in the source
    (as in models of nnU-Net) get that of the default recipe.

    Args:
        source: the plans of the other dataset.
        description: the content of this dataset's `dataset.json`.
        dataset: the name of this dataset.
        plugins: the plugins that offer the components.
        name: the name of the new plans; by default that of the source.
        options: "plan" or kind -> option -> value, as in `make_plans`, for components that are used after planning.
        configurations: the configurations that get the "plan" options; empty for all that can have them.

    Raises:
        InvalidOptions: an option is unknown, its value is invalid, or planning of the source has decided it.
        NnplugError: the datasets have different numbers of channels.
    """
    there, here = len(source.intensity), len(description.channel_names)
    if there != here:
        raise NnplugError(
            f"plans {source.name!r} of {source.dataset} are for {there} channels; dataset.json names {here} "
            f"({', '.join(description.channel_names)}). Give plans of a dataset with as many."
        )
    given, registry = dict(options or {}), plugins.registry
    implied = {
        str(Kind.PREPROCESSOR): planned_preprocessor(source, registry)[1],
        str(Kind.INFERENCE): planned_component(INFERENCE, source, registry)[1],
    }
    named = {**implied, **source.choices}
    default, _ = choose(registry, None, {Kind(kind): choice.name for kind, choice in named.items()}, {})
    choices = {**{str(kind): choice for kind, choice in default.items()}, **named}
    plans = msgspec.structs.replace(
        source,
        dataset=dataset,
        name=name or source.name,
        choices=choices,
        channel_names=None,  # they have not chosen the normalisation
    )
    check_names(plans.name, plans.configurations, dataset)
    plans = override(plans, given.pop(PLAN_WORD, {}), configurations, registry)
    plans = with_options(plans, given, registry=registry)
    check_patches(plans, registry)
    return with_providers(plans, registry)


def with_options(plans: Plans, options: Options, *, registry: Registry) -> Plans:
    """Return the plans with other options, for one training, of components that are used after preprocessing.

    Args:
        plans: the plans.
        options: kind -> option -> value; they override those in the plans.
        registry: the registry with the components, which check their options.

    Raises:
        InvalidOptions: an option is unknown, its value is invalid, or it can only be set in planning.
    """
    choices = dict(plans.choices)
    for word, values in options.items():
        if word not in AFTER_PLANNING:
            option = ".".join((word, *list(values)[:1]))
            raise InvalidOptions(f"{option} is decided when planning", Action.SET_WHEN_PLANNING())
        if word in OPTIONAL and word not in choices:
            raise _unnamed(Kind(word), values)
        was = plans.choice(Kind(word))
        choices[word] = Choice(name=was.name, options={**was.options, **values})
        _check_options(Kind(word), choices[word], registry)
    return msgspec.structs.replace(plans, choices=choices)


def choose(
    registry: Registry, recipe: str | None, components: Mapping[Kind, str], given: Options
) -> tuple[dict[Kind, Choice], dict[str, Any]]:
    """Expand a recipe into components with their options. The user's names and values override the recipe.

    Returns:
        A choice per kind that the user or a recipe names, and the options for the architecture, also without a name.

    Raises:
        UnknownComponent, AmbiguousComponent, InvalidOptions: as in `make_plans`.
    """
    for word, values in given.items():
        if word != PLAN_WORD and not Kind(word).planned:
            option = ".".join((word, *list(values)[:1]))
            raise InvalidOptions(f"{option}: plans name no {word}. Give it to the command that uses it.")
    own = preset(registry, recipe, components)
    implied = {str(Kind.INFERENCE): implied_component(INFERENCE, registry).name}
    names = {**implied, **own.choices, **{str(kind): name for kind, name in components.items()}}
    # a recipe's options are for its own component, not for a component that the user chooses instead
    kept = {kind: options for kind, options in own.options.items() if names.get(kind) == own.choices.get(kind)}
    options = {kind: {**kept.get(kind, {}), **given.get(kind, {})} for kind in Kind}
    choices = {kind: Choice(name=names[kind], options=options[kind]) for kind in Kind if kind in names}
    choices = without_refused(choices, components.keys(), registry)
    if Kind.RESAMPLER in choices:
        check_takes_resampler(choices[Kind.RESAMPLER].name, registry.get(PREPROCESSOR, choices[Kind.PREPROCESSOR].name))
    for kind, choice in choices.items():
        _check_options(kind, choice, registry)
    for kind in (*OPTIONAL, Kind.RESAMPLER):
        if kind not in choices and kind in given:
            raise _unnamed(kind, given[kind])
    for option in options[Kind.NORMALIZER] if Kind.NORMALIZER not in choices else ():
        raise InvalidOptions(
            f"{Kind.NORMALIZER}.{option}: the planner names a normalizer per channel. Give its options there.",
            Action.SET_OPTION(assignment='plan.normalization=[{"name": "NAME", "use_mask": false, "options": {..}}]'),
        )
    return choices, options[Kind.ARCHITECTURE]


def _unnamed(kind: Kind, options: Mapping[str, Any]) -> InvalidOptions:
    """Return the error for options of a component that no one names."""
    option = ".".join((kind, *list(options)[:1]))
    user = Kind.PREPROCESSOR if kind is Kind.RESAMPLER else Kind.TRAINER
    return InvalidOptions(f"{option}: no {kind} is named, so that the {user} uses its own", Action.NAME_KIND(kind=kind))


def _check_options(kind: Kind, choice: Choice, registry: Registry) -> None:
    """Raise `InvalidOptions` now, not after hours of preprocessing; without options nothing is imported."""
    entry = registry.get(kind, choice.name)
    if choice.options and kind is not Kind.ARCHITECTURE:  # the planner adds options of the architecture
        entry.create(choice.options)


def _check_fingerprint(fingerprint: Fingerprint, description: DatasetDescription) -> None:
    cases, shapes = len(fingerprint.spacings), len(fingerprint.shapes_after_crop)
    if cases != shapes or not cases:
        raise NnplugError(f"the fingerprint has {cases} spacings and {shapes} shapes", Action.MEASURE())
    channels, stats = len(description.channel_names), len(fingerprint.foreground_intensity_properties_per_channel)
    if channels != stats:
        raise NnplugError(
            f"the fingerprint has intensities of {stats} channels, dataset.json names {channels}",
            Action.MEASURE(),
        )
    for what, values in (("spacings", fingerprint.spacings), ("shapes_after_crop", fingerprint.shapes_after_crop)):
        if wrong := [list(v) for v in values if not min(v) > 0]:
            raise NnplugError(f"the fingerprint's {what} hold {wrong[0]}; every number must be above 0")


def _entries(plans: Plans, registry: Registry) -> Iterator[AnyEntry]:
    """Yield the entry of every component that the plans name."""
    for kind, choice in plans.choices.items():
        yield registry.get(Kind(kind), choice.name)
    yield planned_preprocessor(plans, registry)[0]
    yield planned_component(INFERENCE, plans, registry)[0]
    for configuration in plans.configurations.values():
        yield registry.get(Kind.ARCHITECTURE, configuration.architecture.name)
        for normalization in configuration.normalization:
            yield registry.get(Kind.NORMALIZER, normalization.name)
