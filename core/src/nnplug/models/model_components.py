"""Find the installed components that a model predicts with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nnplug.contracts.kinds import INFERENCE, PREPROCESSOR
from nnplug.errors import MissingProvider, NnplugError
from nnplug.io.readers import Readers
from nnplug.models.acceleration import accelerators
from nnplug.models.bundle import PREDICTION_KINDS
from nnplug.models.open import Member, Model
from nnplug.preparation.planned import planned_component
from nnplug.registry.components import AnyEntry, Kind, Registry
from nnplug.registry.loader import Plugins
from nnplug.registry.provenance import resolve
from nnplug.remedies import Action, Names
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


def model_readers(model: Model, readers: Readers, name: str | None = None) -> Readers:
    """Return the readers for images to predict: they prefer the reader that the model was trained with.

    Args:
        model: the model. Models of an older nnplug have no record; theirs is the reader that `dataset.json` names.
        readers: the installed readers.
        name: the reader to use instead of all others; None to choose by the endings of files.

    Raises:
        UnknownComponent: no plugin offers a reader with this name.
        MissingProvider: the reader of the training is not installed.
        NnplugError: members were trained with different readers, which may give arrays of different orientation.
    """
    if name is not None:
        return readers.only(name)
    trained = {one.name: one for member in model.members for one in member.providers if one.kind is Kind.READER}
    if len(trained) > 1:
        raise NnplugError(
            f"the models were trained with the readers {' and '.join(sorted(trained))}",
            Action.NAME_READER(names=Names(sorted(trained))),
        )
    for one in trained.values():
        if not any(entry.name == one.name for entry in readers.entries):
            raise MissingProvider(
                f"this model needs reader {one.name!r} from {one.distribution} {one.version}, which is not installed. "
                f"Run: pip install '{one.distribution}=={one.version}'"
            )
        return replace(readers, preferred=one.name)
    description = model.description
    return readers if description.reader is None else description.readers(readers, "dataset.json of the model")


def require_components(model: Model, plugins: Plugins) -> None:
    """Raise, before any image is read, unless all components of a model are installed.

    Raises:
        MissingProvider: a component of the model or of a previous stage is not installed.
    """
    for member in model.members:
        for stage in reversed(member.stages):
            components_of(stage, plugins, Silent())
