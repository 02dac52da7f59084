"""Planning: names become components, components make plans, and what the user sets is checked and written down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from nnplug.contracts import Planner, PlanningContext
from nnplug.dataset.dataset import DatasetDescription
from nnplug.errors import InvalidOptions, NnplugError
from nnplug.plans.fingerprint import Fingerprint
from nnplug.plans.overrides import PLAN
from nnplug.plans.plans import Choice, Plans
from nnplug.preparation.plan_overrides import check_patches, override
from nnplug.preparation.preprocessing import planned_preprocessor
from nnplug.registry.attribution import attributed, expect
from nnplug.registry.components import AnyEntry, Kind, Registry
from nnplug.registry.loader import Plugins
from nnplug.registry.provenance import record
from nnplug.registry.recipes import preset
from nnplug.remedies import Action
from nnplug.runtime.progress import Progress, Silent

AFTER_PLANNING = (Kind.AUGMENTER, Kind.TRAINER, Kind.POSTPROCESSOR)
"""The kinds whose options can change without planning or preprocessing again."""

Options = Mapping[str, Mapping[str, Any]]
"""Kind -> option -> value, as `nnplug.plans.overrides.parse` gives them."""


def make_plans(
    fingerprint: Fingerprint,
    description: DatasetDescription,
    *,
    dataset: str,
    plugins: Plugins,
    recipe: str | None = None,
    name: str | None = None,
    components: Mapping[Kind, str] | None = None,
    options: Options | None = None,
    configurations: Sequence[str] = (),
    progress: Progress | None = None,
) -> Plans:
    """Plan a dataset. A pure function: no file is read or written, no network built.

    Args:
        fingerprint: what was measured.
        description: `dataset.json`.
        dataset: the dataset's name.
        plugins: where components come from.
        recipe: a named choice of components; None for the default one, from which kinds that it leaves out are taken.
        name: of the plans; by default the recipe's, and for the default recipe the planner's.
        components: kind -> name, winning over the recipe.
        options: kind -> option -> value; under "plan", fields of the configurations instead of the planner's.
        configurations: those that the "plan" options are for; empty means all that they suit.
        progress: where notices go.

    Raises:
        UnknownComponent, AmbiguousComponent: a name is offered by nobody, or by several distributions.
        NnplugError: nobody names a component of a kind, see `nnplug.registry.recipes.preset`.
        InvalidOptions: an option is unknown or its value does not suit; all components' are checked here.
        NnplugError: fingerprint and `dataset.json` contradict each other, or no plan is possible.
    """
    _check_fingerprint(fingerprint, description)
    registry, given = plugins.registry, options or {}
    choices, architecture_options = choose(registry, recipe, components or {}, given)
    chosen = preset(registry, recipe, components or {})
    planner = choices[Kind.PLANNER]
    context = PlanningContext(
        dataset=dataset,
        name=name or (planner.name if chosen.is_default else chosen.recipe),
        recipe=chosen.recipe,
        choices=choices,
        registry=registry,
        architecture_options=architecture_options,
        progress=progress or Silent(),
    )
    decide: Planner = registry.create(Kind.PLANNER, planner.name, planner.options)
    with attributed(decide):
        plans = expect(decide, decide.plan(fingerprint, description, context), Plans)
    plans = override(plans, given.get(PLAN, {}), configurations, registry)
    check_patches(plans, registry)
    return with_providers(plans, registry)


def with_providers(plans: Plans, registry: Registry) -> Plans:
    """The plans with today's provider of every component that they name; raises as `Registry.get` does."""
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
    """The plans of another dataset for this one, so that one network fits both: for pretrained weights.

    Spacing, patch, batch, network, normalisation and the intensity statistics that it uses stay those of the source,
    as when nnU-Net moves plans between datasets. What follows from the labels, the outputs, is this dataset's own.
    Kinds that the source names no component of, as models of nnU-Net do not, get those of the default recipe.

    Args:
        source: the other dataset's plans.
        description: `dataset.json` of this one.
        dataset: its name.
        plugins: where components come from.
        name: of the new plans; by default the source's.
        options: "plan" or kind -> option -> value, as in `make_plans`, of what is used after planning.
        configurations: those that the "plan" options are for; empty means all that they suit.

    Raises:
        InvalidOptions: an option is unknown, does not suit, or was decided when the source was planned.
        NnplugError: the datasets have different numbers of channels.
    """
    there, here = len(source.intensity), len(description.channel_names)
    if there != here:
        raise NnplugError(
            f"plans {source.name!r} of {source.dataset} are for {there} channels; dataset.json names {here} "
            f"({', '.join(description.channel_names)}). Give plans of a dataset with as many."
        )
    given, registry = dict(options or {}), plugins.registry
    implied = {str(Kind.PREPROCESSOR): planned_preprocessor(source, registry)[1]}
    named = {**implied, **source.choices}
    default, _ = choose(registry, None, {Kind(kind): choice.name for kind, choice in named.items()}, {})
    choices = {**{str(kind): choice for kind, choice in default.items()}, **named}
    plans = msgspec.structs.replace(source, dataset=dataset, name=name or source.name, choices=choices)
    plans = override(plans, given.pop(PLAN, {}), configurations, registry)
    plans = with_options(plans, given, registry=registry)
    check_patches(plans, registry)
    return msgspec.structs.replace(plans, providers=record(_entries(plans, registry)))


def with_options(plans: Plans, options: Options, *, registry: Registry) -> Plans:
    """The plans with other options of components that are used after preprocessing: for one training.

    Args:
        plans: as planned.
        options: kind -> option -> value, over those in the plans.
        registry: where the options are checked.

    Raises:
        InvalidOptions: an option is unknown, its value does not suit, or it can only be set when planning.
    """
    choices = dict(plans.choices)
    for word, values in options.items():
        if word not in AFTER_PLANNING:
            option = ".".join((word, *list(values)[:1]))
            raise InvalidOptions(f"{option} is decided when planning", Action.SET_WHEN_PLANNING())
        was = plans.choice(Kind(word))
        choices[word] = Choice(name=was.name, options={**was.options, **values})
        _check_options(Kind(word), choices[word], registry)
    return msgspec.structs.replace(plans, choices=choices)


def choose(
    registry: Registry, recipe: str | None, components: Mapping[Kind, str], given: Options
) -> tuple[dict[Kind, Choice], dict[str, Any]]:
    """Expand a recipe into components with their options, the user's names and values winning.

    Returns:
        a choice per kind that somebody names, and the options for the architecture, which nobody need name.

    Raises:
        UnknownComponent, AmbiguousComponent, InvalidOptions: see `make_plans`.
    """
    for word, values in given.items():
        if word != PLAN and not Kind(word).planned:
            option = ".".join((word, *list(values)[:1]))
            raise InvalidOptions(f"{option}: plans name no {word}. Give it to the command that uses it.")
    own = preset(registry, recipe, components)
    names = {**own.choices, **{str(kind): name for kind, name in components.items()}}
    # a recipe's options are for its own component, not for another that the user puts in its place
    kept = {kind: options for kind, options in own.options.items() if names.get(kind) == own.choices.get(kind)}
    options = {kind: {**kept.get(kind, {}), **given.get(kind, {})} for kind in Kind}
    choices = {kind: Choice(name=names[kind], options=options[kind]) for kind in Kind if kind in names}
    for kind, choice in choices.items():
        _check_options(kind, choice, registry)
    for option in options[Kind.NORMALIZER] if Kind.NORMALIZER not in choices else ():
        raise InvalidOptions(
            f"{Kind.NORMALIZER}.{option}: the planner names a normalizer per channel. Give its options there.",
            Action.SET_OPTION(assignment='plan.normalization=[{"name": "NAME", "use_mask": false, "options": {..}}]'),
        )
    return choices, options[Kind.ARCHITECTURE]


def _check_options(kind: Kind, choice: Choice, registry: Registry) -> None:
    """Fail now, not after hours of preprocessing; what has no options is not imported for it."""
    entry = registry.get(kind, choice.name)
    if choice.options and kind is not Kind.ARCHITECTURE:  # its options are complete only with the planner's
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
    """Every component that the plans name."""
    for kind, choice in plans.choices.items():
        yield registry.get(Kind(kind), choice.name)
    yield planned_preprocessor(plans, registry)[0]
    for configuration in plans.configurations.values():
        yield registry.get(Kind.ARCHITECTURE, configuration.architecture.name)
        for normalization in configuration.normalization:
            yield registry.get(Kind.NORMALIZER, normalization.name)
