"""Colours of labels that people with a colour deficiency can tell apart."""

from __future__ import annotations

import colorsys

Rgb = tuple[int, int, int]

_FIRST: tuple[Rgb, ...] = (
    (230, 85, 13),
    (0, 158, 215),
    (240, 228, 66),
    (0, 158, 115),
    (204, 121, 167),
    (0, 94, 190),
    (230, 159, 0),
    (170, 60, 60),
)
"""After the palette of Okabe and Ito, without its black and with stronger contrasts on gray images."""

_GOLDEN = 0.618033988749895


def label_colour(value: int) -> Rgb:
    """Return the colour (red, green, blue, 0 to 255) of a label value above 0; the first 8 differ most."""
    if value <= len(_FIRST):
        return _FIRST[value - 1]
    red, green, blue = colorsys.hsv_to_rgb((value * _GOLDEN) % 1, 0.75, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def hexadecimal(colour: Rgb) -> str:
    """Return a colour as "#rrggbb"."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
