"""The components that a model predicts with, as they are installed here."""

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
    """The components that a member was made with, and no others of the same names; and all accelerators.

    Args:
        member: of a model; a previous stage's are apart.
        plugins: what is installed.
        progress: told of components whose distribution has another version than in training.

    Raises:
        MissingProvider: a component is not installed; the message holds the remedy.
        UnknownComponent: a model of an older nnplug, and the preprocessor that it means is not installed.
    """
    entries, notes = resolve(member.providers, plugins, what="this model", kinds=PREDICTION_KINDS)
    for note in notes:
        progress.notice(note)
    if not any(kind is Kind.PREPROCESSOR for kind, _ in entries):  # a model of an older nnplug
        preprocessor, _ = planned_preprocessor(member.plans, plugins.registry)
        entries[preprocessor.kind, preprocessor.name] = preprocessor
    return Registry([*entries.values(), *accelerators(plugins.registry)])


def require_components(model: Model, plugins: Plugins) -> None:
    """Refuse a model before any image is touched, once for all of them.

    Raises:
        MissingProvider: what the model or a previous stage predicts with is not installed.
    """
    for member in model.members:
        for stage in reversed(member.stages):
            components_of(stage, plugins, Silent())
