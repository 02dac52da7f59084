"""The components that a model predicts with, as they are installed here."""

from __future__ import annotations

from nnplug.models.acceleration import accelerators
from nnplug.models.bundle import PREDICTION_KINDS
from nnplug.models.open import Model
from nnplug.preparation.preprocessing import planned_preprocessor
from nnplug.registry.components import Kind, Registry
from nnplug.registry.loader import Plugins
from nnplug.registry.provenance import resolve
from nnplug.runtime.progress import Progress, Silent


def components_of(model: Model, plugins: Plugins, progress: Progress) -> Registry:
    """The components that the model was made with, and no others of the same names; and all accelerators.

    Args:
        model: the model; a previous stage's are apart.
        plugins: what is installed.
        progress: told of components whose distribution has another version than in training.

    Raises:
        MissingProvider: a component is not installed; the message holds the remedy.
        UnknownComponent: a model of an older nnplug, and the preprocessor that it means is not installed.
    """
    entries, notes = resolve(model.providers, plugins, what="this model", kinds=PREDICTION_KINDS)
    for note in notes:
        progress.notice(note)
    if not any(kind is Kind.PREPROCESSOR for kind, _ in entries):  # a model of an older nnplug
        preprocessor, _ = planned_preprocessor(model.plans, plugins.registry)
        entries[preprocessor.kind, preprocessor.name] = preprocessor
    return Registry([*entries.values(), *accelerators(plugins.registry)])


def require_components(model: Model, plugins: Plugins) -> None:
    """Refuse a model before any image is touched, once for all of them.

    Raises:
        MissingProvider: what the model or a previous stage predicts with is not installed.
    """
    if model.previous is not None:
        require_components(model.previous, plugins)
    components_of(model, plugins, Silent())
