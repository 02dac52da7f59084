"""Read overrides such as `trainer.epochs=20` and `plan.patch_size=[64,64,64]`, from text or from Python values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nnplug.errors import InvalidOptions, did_you_mean
from nnplug.registry.components import PLAN_WORD, Kind
from nnplug.remedies import Action
from nnplug.runtime.json_text import parse_json

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


def from_values(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the values of a mapping such as {"trainer.epochs": 20, "plan.patch_size": (64, 64, 64)}.

    Args:
        values: "WORD.KEY" -> value, where WORD is "plan" or a kind; tuples become lists, as in the plans file.

    Returns:
        word -> key -> value, as `parse` does.

    Raises:
        InvalidOptions: a key has another form or an unknown first word, or a value has no form in JSON.
    """
    overrides: dict[str, dict[str, Any]] = {}
    for path, value in values.items():
        word, _, key = path.partition(".")
        if not (word and key):
            raise InvalidOptions(
                f"options: {path!r} names no option; give 'KIND.KEY': VALUE, such as 'plan.batch_size': 2"
            )
        _check_word(word, path)
        overrides.setdefault(word, {})[key] = _in_json(path, value)
    return overrides


def _in_json(path: str, value: Any) -> Any:
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError) as error:
        raise InvalidOptions(
            f"options: {path!r} is {value!r}; give numbers, text, lists, mappings, True, False or None"
        ) from error


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
    known = [PLAN_WORD, *map(str, Kind)]
    if word in known:
        return
    hint = did_you_mean(word, known, f"Known: {', '.join(known)}.")
    raise InvalidOptions(f"{assignment!r}: there is no {word!r} to set. {hint}")


def _value(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        return text.strip()
