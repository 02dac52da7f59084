"""Find the installed components that a model predicts with."""

from __future__ import annotations

from collections.abc import Sequence

from nnplug.contracts.kinds import INFERENCE, PREPROCESSOR
from nnplug.models.acceleration import accelerators
from nnplug.models.bundle import PREDICTION_KINDS
from nnplug.models.open import Member, Model
from nnplug.preparation.planned import planned_component
from nnplug.registry.components import AnyEntry, Kind, Registry
from nnplug.registry.loader import Plugins
from nnplug.registry.provenance import resolve
from nnplug.runtime.progress import Progress, Silent


def components_of(
    member: Member, plugins: Plugins, progress: Progress, *, kinds: Sequence[Kind] = PREDICTION_KINDS
) -> Registry:
    """Return the components that a member was made with, without others of the same names, and all accelerators.

    Args:
        member: a member of a model; its previous stage has components of its own.
        plugins: the installed plugins.
        progress: receives a notice for each component whose distribution had another version in training.
        kinds: the kinds of component that are needed.

    Raises:
        MissingProvider: a component is not installed; the message has the remedy.
        UnknownComponent: the model is from an older nnplug, and what it implies is not installed.
    """
    entries, notes = resolve(member.providers, plugins, what="this model", kinds=kinds)
    for note in notes:
        progress.notice(note)
    missing = set(kinds) - {kind for kind, _ in entries}  # of a model of an older nnplug
    older: list[AnyEntry] = []
    if Kind.PREPROCESSOR in missing:
        older.append(planned_component(PREPROCESSOR, member.plans, plugins.registry)[0])
    if Kind.INFERENCE in missing:
        older.append(planned_component(INFERENCE, member.plans, plugins.registry)[0])
    return Registry([*entries.values(), *older, *accelerators(plugins.registry)])


def architecture_of(member: Member, plugins: Plugins) -> Registry:
    """Return the architecture that a member was made with, in a registry of its own.

    Raises:
        MissingProvider: it is not installed; the message has the remedy.
    """
    entries, _ = resolve(member.providers, plugins, what="this model", kinds=(Kind.ARCHITECTURE,))
    return Registry(entries.values())


def require_components(model: Model, plugins: Plugins) -> None:
    """Raise, before any image is read, unless all components of a model are installed.

    Raises:
        MissingProvider: a component of the model or of a previous stage is not installed.
    """
    for member in model.members:
        for stage in reversed(member.stages):
            components_of(stage, plugins, Silent())
