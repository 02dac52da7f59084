"""Create the trackers that the user names. The user's mistakes are errors, those of a tracker are warnings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nnplug.contracts import Tracker
from nnplug.contracts.kinds import TRACKER
from nnplug.errors import ComponentFailed, InvalidOptions, InvalidPlugin, OutOfResources, within
from nnplug.plans.plans import Choice
from nnplug.registry.components import Registry
from nnplug.runtime.progress import Progress, Silent

WITHOUT_IT = ". The training continues without it"


def chosen_trackers(names: Sequence[str], options: Mapping[str, Any]) -> tuple[Choice, ...]:
    """Return the trackers with their options.

    Args:
        names: the names of the trackers.
        options: option -> value. "KEY" is an option of every tracker, "NAME.KEY" of tracker NAME only.

    Raises:
        InvalidOptions: there are options but no tracker, or options of a tracker that is not named.
    """
    for key in options:
        name, dot, _ = key.partition(".")
        if not names or (dot and name not in names):
            raise InvalidOptions(f"tracker.{key} is set, but no tracker {f'{name!r} ' if dot else ''}is named")
    return tuple(Choice(name=name, options=_options_of(name, options)) for name in dict.fromkeys(names))


def _options_of(tracker: str, options: Mapping[str, Any]) -> dict[str, Any]:
    shared = {key: value for key, value in options.items() if "." not in key}
    own = {key.partition(".")[2]: value for key, value in options.items() if key.startswith(f"{tracker}.")}
    return {**shared, **own}


def check_trackers(choices: Iterable[Choice], registry: Registry) -> None:
    """Raise for the user's mistakes, before the work that precedes a training.

    Raises:
        UnknownComponent, AmbiguousComponent: as in `Registry.get`.
        InvalidOptions: an option is unknown, missing, or of the wrong type or value.
    """
    create_trackers(choices, registry, Silent())


def create_trackers(choices: Iterable[Choice], registry: Registry, progress: Progress) -> list[tuple[str, Tracker]]:
    """Return name and instance of each tracker that can be created; the others are left out with a warning.

    Raises:
        NnplugError: as in `check_trackers`.
    """
    created: list[tuple[str, Tracker]] = []
    for choice in choices:
        entry = registry.get(TRACKER, choice.name)
        try:
            created.append((choice.name, entry.create(choice.options)))
        except InvalidOptions:
            raise
        except (ComponentFailed, InvalidPlugin, OutOfResources) as error:
            progress.warning(within("", error.lines[0], WITHOUT_IT))
    return created
