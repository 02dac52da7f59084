"""A measured figure, with its bound where there is one, as a JSON line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Row:
    """A figure.

    Attributes:
        section: the part of the check that measured it.
        what: the thing that was measured.
        value: the figure; None if it was not measured, and `note` says why.
        unit: its unit; empty for counts and shares.
        at_most: the largest figure that is right.
        at_least: the smallest figure that is right.
        note: the reason of a missing figure, or a remark.
    """

    section: str
    what: str
    value: float | None
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def is_right(self) -> bool:
        """Whether the figure is within its bounds; one that was not measured is not."""
        if self.value is None or self.value != self.value:
            return False
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )

    @property
    def has_bound(self) -> bool:
        """Whether there is a bound."""
        return self.at_most is not None or self.at_least is not None

    def line(self) -> str:
        """Return the row as a line of JSON."""
        return json.dumps({key: value for key, value in asdict(self).items() if value not in (None, "")})

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Return the row of a line of JSON."""
        return cls(**{"value": None, **data})
