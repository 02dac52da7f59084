"""Labels have colours that differ."""

from __future__ import annotations

from nnplug.pictures.colours import hexadecimal, label_colour


def test_labels_have_colours_of_their_own():
    colours = [hexadecimal(label_colour(value)) for value in range(1, 120)]
    assert all(len(colour) == 7 for colour in colours)
    assert len(set(colours)) == len(colours)
