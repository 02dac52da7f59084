from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnplug.dataset.splits import Fold, choose_fold, make_splits, read_splits, write_splits
from nnplug.errors import InvalidFile, NnplugError

GOLDEN = json.loads((Path(__file__).parent / "golden" / "splits.json").read_text())
A, B = {"train": ["a"], "val": ["b"]}, {"train": ["b"], "val": ["a"]}

NAME = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)  # no file name holds a NUL


def case_names(count: int) -> list[str]:
    return [f"case_{i:03d}" for i in range(count)]


def indices(fold: Fold) -> list[list[int]]:
    return [[int(name[-3:]) for name in part] for part in (fold.train, fold.val)]


@pytest.mark.parametrize("count", GOLDEN["folds"])
def test_folds_equal_sklearns(count):
    folds = make_splits(reversed(case_names(int(count))))
    assert [indices(fold) for fold in folds] == GOLDEN["folds"][count]


@pytest.mark.parametrize("key", GOLDEN["beyond"])
def test_a_fold_beyond_the_splits_is_nnunets_random_one(key):
    count, fold = map(int, key.split())
    assert indices(choose_fold(make_splits(case_names(count)), case_names(count), fold)) == GOLDEN["beyond"][key]


@given(names=st.sets(NAME, min_size=2), folds=st.integers(2, 10))
def test_every_case_is_validated_once_and_trained_on_otherwise(names, folds):
    splits = make_splits(names, folds)
    assert len(splits) == min(folds, len(names))
    assert sorted(name for fold in splits for name in fold.val) == sorted(names)
    for fold in splits:
        assert set(fold.train) == names - set(fold.val)
        assert len(fold.train) + len(fold.val) == len(names)
    assert max(len(f.val) for f in splits) - min(len(f.val) for f in splits) <= 1


def test_a_single_case_is_trained_and_validated_on():
    assert make_splits(["a"]) == (Fold(train=("a",), val=("a",)),)


def test_a_fold_is_chosen_by_number_or_is_all():
    names = case_names(10)
    splits = make_splits(names)
    assert choose_fold(splits, names, 3) == splits[3]
    assert choose_fold(splits, names, "all") == Fold(train=tuple(names), val=tuple(names))


@pytest.mark.parametrize("fold", [-1, "three"])
def test_a_fold_that_is_neither_is_quoted(fold):
    with pytest.raises(NnplugError, match=f"fold {fold!r}: expected a number from 0, or 'all'"):
        choose_fold(make_splits("ab"), "ab", fold)


def test_a_single_case_cannot_be_divided():
    with pytest.raises(NnplugError, match="fold 5: a single case cannot be divided; take fold 0 or 'all'"):
        choose_fold(make_splits("a"), "a", 5)


@given(names=st.sets(NAME, min_size=1))
def test_splits_come_back_from_disk(names, tmp_path_factory):
    path = tmp_path_factory.mktemp("splits") / "splits.json"
    write_splits(path, make_splits(names))
    assert read_splits(path, names) == make_splits(names)


def test_hand_written_splits_may_leave_cases_out_and_overlap(tmp_path):
    (tmp_path / "s.json").write_text(json.dumps([A, A, B]))
    assert [fold.data() for fold in read_splits(tmp_path / "s.json", "abc")] == [A, A, B]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"train": []}, "expected a list of folds"),
        ([], "expected a list of folds"),
        ([A, {"train": ["a"]}], "fold 1: .*missing required field 'val'"),
        ([A | {"test": ["c"]}], "fold 0: .*unknown field 'test'"),
        ([A, {"train": [], "val": ["b"]}], "fold 1: 'train' is empty"),
        ([{"train": ["a"], "val": []}], "fold 0: 'val' is empty"),
        ([A, {"train": ["a", "zz"], "val": ["b"]}], "fold 1: 'train' names 'zz', which is no training case"),
        ([{"train": ["a", "b"], "val": ["b", "c"]}], "fold 0: 'b' is in both 'train' and 'val'"),
    ],
)
def test_bad_splits_are_named(raw, message, tmp_path):
    (tmp_path / "s.json").write_text(json.dumps(raw))
    with pytest.raises(InvalidFile, match=rf"s\.json: {message}"):
        read_splits(tmp_path / "s.json", "abc")


def test_the_faults_of_all_folds_come_at_once(tmp_path):
    (tmp_path / "s.json").write_text(json.dumps([{"train": ["a"]}, A, {"train": ["zz"], "val": []}]))
    with pytest.raises(InvalidFile) as error:
        read_splits(tmp_path / "s.json", "abc")
    assert len(error.value.lines) == 3
    assert all(line.startswith(f"{tmp_path}/s.json: fold ") for line in error.value.lines)
