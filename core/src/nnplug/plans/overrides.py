"""Parse overrides such as `trainer.epochs=20` and `plan.patch_size=[64,64,64]`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from nnplug.errors import InvalidOptions, did_you_mean
from nnplug.registry.components import PLAN_WORD, Kind
from nnplug.remedies import Action

PLAN = PLAN_WORD
"""The first word of an override of a configuration's own fields. Other first words are kinds of components."""


def parse(assignments: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the values of `WORD.KEY=VALUE` assignments; the last value of a key wins.

    Args:
        assignments: WORD is "plan" or a kind; a VALUE that is not JSON is text.

    Returns:
        word -> key -> value, for example {"plan": {"batch_size": 2}}.

    Raises:
        InvalidOptions: an assignment has another form or an unknown first word.
    """
    overrides: dict[str, dict[str, Any]] = {}
    for assignment in assignments:
        word, key, value = _split(assignment)
        overrides.setdefault(word, {})[key] = value
    return overrides


def _split(assignment: str) -> tuple[str, str, Any]:
    path, equals, value = assignment.partition("=")
    word, _, key = path.strip().partition(".")
    if not (equals and word and key):
        raise InvalidOptions(
            f"{assignment!r} sets nothing", Action.SET_OPTION(assignment="KIND.KEY=VALUE, such as plan.batch_size=2")
        )
    _check_word(word, assignment)
    return word, key, _value(value)


def _check_word(word: str, assignment: str) -> None:
    known = [PLAN, *map(str, Kind)]
    if word in known:
        return
    hint = did_you_mean(word, known, f"Known: {', '.join(known)}.")
    raise InvalidOptions(f"{assignment!r}: there is no {word!r} to set. {hint}")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text.strip()
