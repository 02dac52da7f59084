"""The data that the slice viewer of a page reads: cases, label names and colours, and the volumes in base64."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nnplug.pictures.colours import hexadecimal, label_colour
from nnplug_report.shown_case import CONFUSED, EXTRA, MISSED, ShownCase, Volume
from nnplug_report.subject import LabelClass

_DIFFERENCES = (
    (MISSED, "missing in the prediction", (204, 121, 167)),
    (EXTRA, "only in the prediction", (240, 228, 66)),
    (CONFUSED, "another label than the reference", (0, 158, 215)),
)


@dataclass(frozen=True)
class Payload:
    """A volume in a page: the id of its element and the text in it."""

    id: str
    data: str


@dataclass(frozen=True)
class ListedCase:
    """A case in the viewer, with a note such as "worst, Dice 0.61"; the note may be empty."""

    case: ShownCase
    note: str = ""


@dataclass(frozen=True)
class Viewer:
    """The viewer of a page.

    Attributes:
        data: JSON for the script: cases, labels and colours.
        payloads: the volumes, by the ids that `data` names.
    """

    data: dict[str, Any]
    payloads: tuple[Payload, ...]


@dataclass(frozen=True)
class LabelName:
    """The name and the colour ("#rrggbb") of a label value."""

    value: int
    name: str
    colour: str


def label_names(classes: Sequence[LabelClass], values: Iterable[int] = ()) -> tuple[LabelName, ...]:
    """Return name and colour of each label value; a value of several regions has all their names.

    Args:
        classes: the classes or regions.
        values: further values, such as those of a file without `dataset.json`.
    """
    found = sorted({value for one in classes for value in one.values} | set(values))
    named = {value: [one.name for one in classes if value in one.values] for value in found}
    return tuple(
        LabelName(value, " + ".join(names) or f"label {value}", hexadecimal(label_colour(value)))
        for value, names in named.items()
    )


def make_viewer(cases: Sequence[ListedCase], labels: Sequence[LabelName]) -> Viewer:
    """Return the viewer of these cases; it opens with the first."""
    payloads: list[Payload] = []

    def entry(volume: Volume) -> dict[str, Any]:
        payloads.append(Payload(f"volume-{len(payloads)}", volume.data))
        return {"title": volume.title, "id": payloads[-1].id, "low": volume.low, "high": volume.high}

    listed = [
        {
            "name": one.case.name,
            "note": one.note,
            "flat": one.case.is_flat,
            "remark": one.case.remark,
            "channels": [entry(volume) for volume in one.case.channels],
            "layers": [entry(volume) for volume in one.case.layers],
        }
        for one in cases
    ]
    data = {
        "cases": listed,
        "labels": [{"value": one.value, "name": one.name, "colour": one.colour} for one in labels],
        "differences": [
            {"value": value, "name": name, "colour": hexadecimal(colour)} for value, name, colour in _DIFFERENCES
        ],
    }
    return Viewer(data, tuple(payloads))
