"""Name every fault of the labels in `dataset.json`, with what was probably meant and the block to paste."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nnplug.errors import Line
from nnplug.remedies import Action

IGNORE = "ignore"
BACKGROUND_NAME = "background"

Values = tuple[int, ...]


def declared_values(raw: Any) -> Values | None:
    """Return the label values of an entry of `labels`: a whole number, or a list of them; None for anything else.

    nnU-Net converts every value to int, so that "1" and 1.0 are 1.
    """
    listed = raw if isinstance(raw, list) else [raw]
    numbers = [_number(value) for value in listed]
    found = tuple(number for number in numbers if number is not None)
    return found if found and len(found) == len(numbers) else None


def _number(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    if isinstance(value, (int, float)) and value >= 0 and float(value).is_integer():
        return int(value)
    return None


def label_faults(raw: Any) -> list[str]:
    """Return a line for each fault of `labels`; no lines if it can be used."""
    if not isinstance(raw, dict) or not raw:
        return [f'\'labels\' is {raw!r}; expected an object such as {{"background": 0, "tumour": 1}}']
    if _is_reversed(raw):
        swapped = {str(name): int(value) for value, name in raw.items()}
        return [f"'labels' has names and values exchanged; write {_pasted(swapped)}"]
    values = {name: declared_values(value) for name, value in raw.items()}
    if wrong := [name for name, found in values.items() if found is None]:
        return [f"label {name!r} is {raw[name]!r}; expected a whole number or a list of them" for name in wrong]
    return [*_value_faults({name: found for name, found in values.items() if found is not None})]


def _is_reversed(raw: Mapping[str, Any]) -> bool:
    """Return whether the keys are numbers and the values names, as nnU-Net v1 has them."""
    return all(name.isdecimal() for name in raw) and all(
        isinstance(value, str) and not value.strip().isdecimal() for value in raw.values()
    )


def _value_faults(values: Mapping[str, Values]) -> Iterator[str]:
    classes = {name: own for name, own in values.items() if name != IGNORE}
    used = sorted({value for own in classes.values() for value in own})
    ignore = values.get(IGNORE)
    if ignore is not None and len(ignore) > 1:
        listed = " and ".join(map(str, ignore))
        yield (
            f"label 'ignore' is {list(ignore)}; one value is ignored: give {listed} the same value in the label maps, "
            f"the highest, {len(used)}"
        )
    elif ignore is not None and ignore[0] != len(used):
        yield f"label 'ignore' is {ignore[0]}; it must be the highest: {_renumbered(values)}"
        if used != list(range(len(used))):
            return  # the line above renumbers all labels
    if used != list(range(len(used))):
        text = f"label values are {used}; they must be consecutive from 0 (background): {_renumbered(values)}"
        has_regions = any(len(own) > 1 for own in values.values())
        yield text if has_regions else Line(text, Action.RENUMBER(classes=_foreground(values)))
    elif used == [0]:
        yield "'labels' names no foreground class; add at least one with a value above 0"


def _renumbered(values: Mapping[str, Values]) -> str:
    """Return the block with consecutive values, "ignore" as the highest, and the request to change the files."""
    classes = {name: own for name, own in values.items() if name != IGNORE}
    old = sorted({value for own in classes.values() for value in own} | {0})
    new = {value: number for number, value in enumerate(old)}
    block: dict[str, Any] = {} if (0,) in classes.values() else {BACKGROUND_NAME: 0}
    for name, own in classes.items():
        block[name] = new[own[0]] if len(own) == 1 else [new[value] for value in own]
    if IGNORE in values:
        block[IGNORE] = len(old)
    return f"write {_pasted(block)} and change the label maps"


def _foreground(values: Mapping[str, Values]) -> str:
    """Return name -> value of the classes as JSON, by value, "ignore" last."""
    ordered = sorted(values.items(), key=lambda item: (item[0] == IGNORE, item[1]))
    return json.dumps({name: own[0] for name, own in ordered if own != (0,)}, ensure_ascii=False)


def _pasted(block: Mapping[str, Any]) -> str:
    return f'"labels": {json.dumps(block, ensure_ascii=False)}'


def same_values(values: Mapping[str, Values]) -> Iterator[str]:
    """Yield a line for each two names with the same label values: nothing tells them apart."""
    names: dict[frozenset[int], str] = {}
    for name, own in values.items():
        if (first := names.setdefault(frozenset(own), name)) != name:
            yield f"labels {first!r} and {name!r} have the same value, {_listed(own)}; give each its own, or remove one"


def order_faults(values: Mapping[str, Values], order: Sequence[int]) -> Iterator[str]:
    """Yield a line if painting the regions in their order gives other regions than the label map has.

    A voxel gets the value in `order` of the last region that it is in; the regions of that value must be its own.

    Args:
        values: name -> label values of the foreground regions, in the order of the file.
        order: a value per region.
    """
    if (wrong := _first_lost(values, order)) is None:
        return
    value, painted = wrong
    inside, outside = _members(values, value), _members(values, painted)
    why = f"label {value} (in {_listed(inside)}) is painted as {painted}, which is "
    why += f"in {_listed(outside)}" if outside else "the value of no region"
    yield f"'regions_class_order' is {list(order)}: {why}; {_right_order(values)}"


def _first_lost(values: Mapping[str, Values], order: Sequence[int]) -> tuple[int, int] | None:
    """Return a label value and the value that it is painted as, if that has other regions; None if all come back."""
    regions = list(values.values())
    for value in sorted({value for own in regions for value in own}):
        last = max(index for index, own in enumerate(regions) if value in own)
        if _members(values, order[last]) != _members(values, value):
            return value, order[last]
    return None


def _members(values: Mapping[str, Values], value: int) -> list[str]:
    return [name for name, own in values.items() if value in own]


def _right_order(values: Mapping[str, Values]) -> str:
    """Return the words of the remedy: an order for the regions as they stand, or for the largest region first."""
    for names in (list(values), sorted(values, key=lambda name: -len(values[name]))):
        ordered = {name: values[name] for name in names}
        order = _order_of(ordered)
        if _first_lost(ordered, order) is None:
            listed = "" if names == list(values) else f"list the regions as {_listed(names)}, and "
            return f'{listed}write "regions_class_order": {order}'
    return "no order paints these regions; describe each overlap by a label value of its own"


def _order_of(values: Mapping[str, Values]) -> list[int]:
    """Return for each region the smallest of its values that no later region has, else its smallest."""
    regions = list(values.values())
    return [
        min((value for value in own if not any(value in later for later in regions[index + 1 :])), default=min(own))
        for index, own in enumerate(regions)
    ]


def _listed(items: Sequence[object]) -> str:
    return ", ".join(map(str, items))
