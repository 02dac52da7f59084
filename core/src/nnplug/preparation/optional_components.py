"""Choices that a trainer may take: plans name them only if the user or a recipe does, and the trainer allows it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from nnplug.contracts.kinds import TRAINER, TrainerEntry
from nnplug.errors import NnplugError
from nnplug.plans.plans import Choice, Plans
from nnplug.registry.components import Kind, Registry
from nnplug.registry.provenance import record
from nnplug.remedies import Action

OPTIONAL = (Kind.SAMPLER, Kind.LOSS)
"""The kinds that plans need not name; without a name the trainer uses its own."""


def check_taken(choices: Mapping[str, Choice], trainer: TrainerEntry) -> None:
    """Raise unless the trainer takes every optional component that plans name.

    Raises:
        NnplugError: it does not; the message names the component and the trainer.
    """
    for kind in _refused(choices, trainer):
        raise NnplugError(
            f"{trainer} uses its own {kind}, not {choices[kind].name!r}: its entry has takes_{kind}=False",
            Action.LEAVE_OUT_KIND(kind=str(kind)),
        )


def without_refused(choices: Mapping[Kind, Choice], named: Collection[Kind], registry: Registry) -> dict[Kind, Choice]:
    """Return the choices without those of a recipe that the user's own trainer does not take.

    Args:
        choices: the choices of recipe and user.
        named: the kinds that the user names.
        registry: the registry with the trainer.

    Raises:
        NnplugError: as in `check_taken`, for a component that the user names, or a recipe with its own trainer.
    """
    trainer = registry.get(TRAINER, choices[Kind.TRAINER].name)
    refused = _refused(_by_word(choices), trainer)
    dropped = [kind for kind in refused if Kind.TRAINER in named and kind not in named]
    kept = {kind: choice for kind, choice in choices.items() if kind not in dropped}
    check_taken(_by_word(kept), trainer)
    return kept


def with_components(plans: Plans, names: Mapping[Kind, str], registry: Registry) -> Plans:
    """Return the plans with other optional components, for one training.

    Args:
        plans: the plans.
        names: kind -> name; a component that has another name in the plans gets no options.
        registry: the registry with the components.

    Raises:
        UnknownComponent, AmbiguousComponent: as in `Registry.get`.
        NnplugError: the trainer does not take the component.
    """
    others = {
        kind: name for kind, name in names.items() if kind not in plans.choices or plans.choice(kind).name != name
    }
    chosen = {str(kind): Choice(name=name) for kind, name in others.items()}
    providers = record(registry.get(kind, name) for kind, name in others.items())
    kept = [provider for provider in plans.providers if provider.kind not in others]
    changed = msgspec.structs.replace(plans, choices={**plans.choices, **chosen}, providers=(*kept, *providers))
    planned_trainer(changed, registry)
    return changed


def planned_trainer(plans: Plans, registry: Registry) -> TrainerEntry:
    """Return the trainer of plans.

    Raises:
        NnplugError: the plans name none, it is not installed, or it does not take what the plans name.
    """
    trainer = registry.get(TRAINER, plans.choice(Kind.TRAINER).name)
    check_taken(plans.choices, trainer)
    return trainer


def _refused(choices: Mapping[str, Choice], trainer: TrainerEntry) -> list[Kind]:
    component = trainer.component
    takes = {Kind.SAMPLER: component.takes_sampler, Kind.LOSS: component.takes_loss}
    return [kind for kind in OPTIONAL if kind in choices and not takes[kind]]


def _by_word(choices: Mapping[Kind, Choice]) -> dict[str, Choice]:
    return {str(kind): choice for kind, choice in choices.items()}
