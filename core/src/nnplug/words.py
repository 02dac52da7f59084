"""Values as text for messages and tables."""

from __future__ import annotations

from collections.abc import Iterable


def by_axis(values: Iterable[float], digits: int = 6) -> str:
    """Return the sizes or spacings of axes as text, such as "40 x 56 x 40".

    Args:
        values: one per axis.
        digits: significant digits of a number that is no integer.
    """
    return " x ".join(str(value) if isinstance(value, int) else f"{value:.{digits}g}" for value in values)
