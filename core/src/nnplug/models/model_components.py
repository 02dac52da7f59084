"""Find the installed components that a model predicts with."""

from __future__ import annotations

from nnplug.models.acceleration import accelerators
from nnplug.models.bundle import PREDICTION_KINDS
from nnplug.models.open import Member, Model
from nnplug.preparation.preprocessing import planned_preprocessor
from nnplug.registry.components import Kind, Registry
from nnplug.registry.loader import Plugins
from nnplug.registry.provenance import resolve
from nnplug.runtime.progress import Progress, Silent


def components_of(member: Member, plugins: Plugins, progress: Progress) -> Registry:
    """Return the components that a member was made with, without others of the same names, and all accelerators.

    Args:
        member: a member of a model; its previous stage has components of its own.
        plugins: the installed plugins.
        progress: receives a notice for each component whose distribution had another version in training.

    Raises:
        MissingProvider: a component is not installed; the message has the remedy.
        UnknownComponent: the model is from an older nnplug, and its preprocessor is not installed.
    """
    entries, notes = resolve(member.providers, plugins, what="this model", kinds=PREDICTION_KINDS)
    for note in notes:
        progress.notice(note)
    if not any(kind is Kind.PREPROCESSOR for kind, _ in entries):  # a model of an older nnplug
        preprocessor, _ = planned_preprocessor(member.plans, plugins.registry)
        entries[preprocessor.kind, preprocessor.name] = preprocessor
    return Registry([*entries.values(), *accelerators(plugins.registry)])


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
