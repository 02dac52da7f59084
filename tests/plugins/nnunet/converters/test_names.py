from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnplug_nnunet.converters.names import Match, common_name, match_names


@pytest.mark.parametrize(
    ("labels", "images", "expected"),
    [
        (["a", "b"], ["b", "a"], {"a": "a", "b": "b"}),
        (["seg_1", "seg_2"], ["img_1", "img_2", "img_3"], {"seg_1": "img_1", "seg_2": "img_2"}),
        (["case_001_mask"], ["case_001"], {"case_001_mask": "case_001"}),
        (["anna-seg", "bert-seg"], ["Anna_CT", "Bert_CT"], {"anna-seg": "Anna_CT", "bert-seg": "Bert_CT"}),
        (["p01", "p10"], ["p1_0000", "p10_0000"], {"p01": "p1_0000", "p10": "p10_0000"}),
        (
            ["p1_a_seg", "p1_b_seg"],
            ["p1_a_img", "p1_b_img", "p2_a_img"],
            {"p1_a_seg": "p1_a_img", "p1_b_seg": "p1_b_img"},
        ),
    ],
)
def test_names_that_mean_one_case_are_found(labels, images, expected):
    assert match_names(labels, images) == {label: Match(image) for label, image in expected.items()}


def test_the_closest_spelling_is_told_apart_from_a_sure_match():
    found = match_names(["liver", "spleen_x"], ["lever", "spleen_y"])
    assert found == {"liver": Match("lever", alike=True), "spleen_x": Match("spleen_y", alike=True)}


def test_other_numbers_are_never_one_case():
    assert match_names(["case_12", "case_14"], ["case_13", "case_14"]) == {"case_14": Match("case_14")}


def test_a_tie_stays_alone():
    assert match_names(["a_seg"], ["a_t1", "a_t2"]) == {}


def test_what_names_share():
    assert common_name("BraTS_001_t1", "BraTS_001_seg") == "BraTS_001"
    assert common_name("x", "y") == ""


NAMES = st.lists(st.from_regex(r"[a-z]{1,3}_[0-9]{1,2}", fullmatch=True), max_size=6, unique=True)


@given(NAMES, NAMES)
def test_nobody_has_two_partners(wanted, offered):
    found = match_names(wanted, offered)
    partners = [match.name for match in found.values()]
    assert set(found) <= set(wanted)
    assert set(partners) <= set(offered)
    assert len(partners) == len(set(partners))
    assert set(wanted) & set(offered) <= set(found)
