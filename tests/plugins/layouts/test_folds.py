from __future__ import annotations

from nnplug_layouts.folds import folds_by_number


def test_numbers_are_counted_from_zero_and_cases_without_one_are_always_for_training():
    found = folds_by_number({"a": 1, "b": 2, "c": None})
    assert [(fold.train, fold.val) for fold in found.folds] == [(("b", "c"), ("a",)), (("a", "c"), ("b",))]
    assert found.notices == ("folds are counted from 0: 1 becomes 0, 2 becomes 1",)


def test_one_number_for_all_is_no_fold():
    assert folds_by_number({"a": 0, "b": 0}).folds == ()
    assert folds_by_number({"a": 0, "b": 0}).notices == ("every case has the fold 0, so nnplug draws folds",)
    assert folds_by_number({"a": None}).notices == ()
