"""Regions must come back when they are painted in their order."""

from __future__ import annotations

import itertools
import json
import re

import pytest

from nnplug.dataset.label_faults import label_faults, order_faults, same_values

NESTED = {"whole": (1, 2, 3), "core": (2, 3), "enhancing": (3,)}


def paint(values: dict, order: list, label: int) -> int:
    """Return the value of a voxel with this label after painting, as nnU-Net paints."""
    painted = 0
    for own, value in zip(values.values(), order, strict=True):
        painted = value if label in own else painted
    return painted


def regions(values: dict, label: int) -> set:
    return {name for name, own in values.items() if label in own}


@pytest.mark.parametrize("values", [NESTED, {"a": (1, 2), "b": (2, 3)}, {"small": (1,), "large": (1, 2)}])
def test_an_order_is_a_fault_exactly_if_painting_loses_a_region(values):
    for order in itertools.product(range(5), repeat=len(values)):
        kept = all(
            regions(values, paint(values, order, v)) == regions(values, v) for own in values.values() for v in own
        )
        assert (list(order_faults(values, order)) == []) is kept


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ([3, 2, 1], "label 1 (in whole) is painted as 3, which is in whole, core, enhancing"),
        ([1, 2, 7], "label 3 (in whole, core, enhancing) is painted as 7, which is the value of no region"),
        ([1, 1, 1], "label 2 (in whole, core) is painted as 1, which is in whole"),
        ([2, 1, 3], "label 1 (in whole) is painted as 2, which is in whole, core"),
    ],
)
def test_the_fault_names_the_label_and_the_right_order(order, words):
    (line,) = order_faults(NESTED, order)
    assert line.startswith(f"'regions_class_order' is {order}: {words}; ")
    assert line.endswith('write "regions_class_order": [1, 2, 3]')


def test_an_order_that_is_told_works():
    values = {"small": (1,), "large": (1, 2)}
    (line,) = order_faults(values, [1, 2])
    assert "list the regions as large, small" in line
    order = json.loads(re.search(r"\[\d+, \d+\]$", line)[0])
    assert list(order_faults({"large": (1, 2), "small": (1,)}, order)) == []


def test_regions_that_no_order_paints_are_told():
    (line,) = order_faults({"a": (1, 2), "b": (2, 3)}, [1, 3])
    assert "no order paints these regions" in line


def test_two_names_of_one_value_are_told_apart():
    (line,) = same_values({"background": (0,), "a": (1,), "b": (1,)})
    assert line.startswith("labels 'a' and 'b' have the same value, 1")
    assert list(same_values({"background": (0,), "a": (1,), "b": (2,)})) == []


def test_all_faults_of_labels_are_named():
    lines = label_faults({"background": 0, "a": None, "b": "x"})
    assert len(lines) == 2
    lines = label_faults({"background": 0, "a": 2, "ignore": [4, 5]})
    assert len(lines) == 2
