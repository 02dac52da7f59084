from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnplug.dataset.labels import Labels
from nnplug.errors import InvalidFile, Problems

CLASSES = {"background": 0, "anterior": 1, "posterior": 2}
REGIONS = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": [3]}


def labels(raw, order=None) -> Labels:
    return Labels.from_data(raw, order, "d.json")


def test_classes():
    found = labels(CLASSES)
    assert not found.has_regions
    assert found.foreground == ((1,), (2,))
    assert found.foreground_names == ("anterior", "posterior")
    assert found.outputs == found.entries == 3
    assert found.keys == ("1", "2")
    assert found.ignore is None


def test_classes_in_the_order_of_the_outputs():
    found = labels({"background": 0, "tumour": 2, "liver": 1, "ignore": 3})
    assert (found.keys, found.by_output.keys) == (("2", "1"), ("1", "2"))
    assert found.by_output.foreground_names == ("liver", "tumour")
    assert found.by_output.code == found.code
    regions = labels(dict(reversed(REGIONS.items())), [3, 2, 1])
    assert regions.by_output == regions


def test_regions():
    found = labels(REGIONS, [1, 2, 3])
    assert found.has_regions
    assert found.foreground == ((1, 2, 3), (2, 3), (3,))
    assert found.outputs == 3
    assert found.entries == 4
    assert found.regions_class_order == (1, 2, 3)
    assert found.keys == ("(1, 2, 3)", "(2, 3)", "(3,)")


def test_a_region_given_as_a_bare_number_keeps_its_key():
    found = labels({"background": 0, "whole": [1, 2], "core": 2}, [1, 2])
    assert found.foreground == ((1, 2), (2,))
    assert found.keys == ("(1, 2)", "2")


def test_lists_of_one_value_are_classes():
    found = labels({"background": 0, "a": [1], "b": [2]}, [9, 9])
    assert not found.has_regions
    assert found.keys == ("1", "2")
    assert found.regions_class_order is None


def test_the_ignore_label_is_no_output():
    found = labels(CLASSES | {"ignore": 3})
    assert found.ignore == 3
    assert found.outputs == 3
    assert found.entries == 4
    assert found.all_values == (0, 1, 2)


@given(st.permutations(range(5)))
def test_values_are_kept_in_the_order_of_the_file(order):
    found = labels({f"label {v}": v for v in order})
    assert found.foreground == tuple((v,) for v in order if v)
    assert found.all_values == tuple(range(5))


@pytest.mark.parametrize(
    ("raw", "order", "message"),
    [
        ({}, None, r"'labels' is \{\}; expected an object"),
        ([0, 1], None, r"'labels' is \[0, 1\]; expected an object"),
        ({"background": 0, "a": "one"}, None, "label 'a' is 'one'; expected a whole number or a list of them"),
        ({"background": 0, "a": 1.5}, None, "label 'a' is 1.5; expected a whole number or a list of them"),
        ({"background": 0, "a": -1}, None, "label 'a' is -1; expected"),
        ({"background": 0, "a": True}, None, "label 'a' is True; expected"),
        ({"background": 0, "a": []}, None, r"label 'a' is \[\]; expected"),
        ({"background": 0, "a": 2}, None, r"label values are \[0, 2\]; they must be consecutive from 0"),
        (
            {"background": 0, "a": [2, 4], "b": 4},
            [2, 4],
            r"label values are \[0, 2, 4\].* and change the label maps$",
        ),
        ({"a": 1, "b": 2}, None, r"label values are \[1, 2\]; they must be consecutive from 0 \(background\)"),
        ({"background": 0}, None, "'labels' names no foreground class"),
        (CLASSES | {"ignore": 4}, None, r"label 'ignore' is 4; it must be the highest: write .*\"ignore\": 3"),
        (
            CLASSES | {"ignore": [3, 4]},
            None,
            r"label 'ignore' is \[3, 4\]; one value is ignored: give 3 and 4 the same value .*, the highest, 3",
        ),
        (REGIONS, None, "'regions_class_order' is None; labels with regions need one value for each of the 3"),
        (REGIONS, [1, 2], r"'regions_class_order' is \[1, 2\]"),
        (REGIONS, ["1", "2", "3"], r"'regions_class_order' is \['1', '2', '3'\]"),
        (REGIONS, 3, "'regions_class_order' is 3"),
    ],
)
def test_what_breaks_the_rules_is_quoted(raw, order, message):
    with pytest.raises(InvalidFile, match=f"d.json: {message}"):
        labels(raw, order)


@pytest.mark.parametrize(
    "raw", [{"background": "0", "a": "1"}, {"background": 0.0, "a": 1.0}, {"background": 0, "a": 1}]
)
def test_values_that_nnunet_converts_to_int_are_taken(raw):
    assert labels(raw).values == {"background": (0,), "a": (1,)}
    assert labels(raw).keys == ("1",)


@pytest.mark.parametrize(
    ("raw", "block"),
    [
        ({"0": "background", "1": "tumour"}, '"labels": {"background": 0, "tumour": 1}'),
        ({"background": 0, "ignore": 1, "a": 2}, '"labels": {"background": 0, "a": 1, "ignore": 2}'),
        ({"background": 0, "a": 1, "b": 100, "c": 200}, '"labels": {"background": 0, "a": 1, "b": 2, "c": 3}'),
        ({"a": 1, "b": 2}, '"labels": {"background": 0, "a": 1, "b": 2}'),
        (
            {"background": 0, "all": [5, 9], "in": [9], "ignore": 4},
            '{"background": 0, "all": [1, 2], "in": 2, "ignore": 3}',
        ),
    ],
)
def test_the_corrected_block_is_there_to_paste_and_can_be_used(raw, block):
    with pytest.raises(InvalidFile) as caught:
        labels(raw)
    assert block in str(caught.value)
    text = str(caught.value)
    pasted = json.loads(text[text.index('{"background') : text.index("}", text.index('{"background')) + 1])
    labels(pasted, [1, 2])


def test_some_classes_are_taken_in_the_order_of_the_file():
    kept = labels({"background": 0, "a": 1, "b": 2, "ignore": 3}).only(["b"])
    assert (kept.values, kept.ignore, kept.has_regions) == ({"background": (0,), "b": (2,)}, 3, False)
    regions = labels(REGIONS, [1, 2, 3])
    names = regions.foreground_names
    two = regions.only([names[1], names[0]])
    assert (two.foreground_names, two.regions_class_order) == (names[:2], (1, 2))
    single = next(name for name, values in regions.values.items() if len(values) == 1 and values != (0,))
    assert regions.only([single]).regions_class_order is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Kidney left", "closest are 'kidney_left', 'kidney_right'"),
        ("background", "it has 'c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8', 'c9' and 3 more"),
    ],
)
def test_an_unknown_class_is_named_with_the_closest_ones(name, words):
    many = {f"c{k}": k + 1 for k in range(11)}
    own = labels({"background": 0, **many, "kidney_left": 12, "kidney_right": 13})
    with pytest.raises(Problems) as caught:
        own.only(["c1", name, name])
    assert caught.value.lines == (f"{name!r} is no class or region of the model; {words}",)
