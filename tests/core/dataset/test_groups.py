from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnplug.dataset.groups import crossing, group_folds, leave_one_group_out, read_groups, suspected_groups
from nnplug.dataset.splits import Fold, make_splits
from nnplug.errors import InvalidFile, NnplugError, Problems

CASE = st.text("abcdefgh", min_size=1, max_size=4)
GROUPS = st.dictionaries(CASE, st.sampled_from("ABCDEFG"), min_size=2).filter(lambda g: len(set(g.values())) > 1)


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "groups.csv"
        path.write_bytes(text.encode())
        return path

    return write


@pytest.mark.parametrize(
    "text",
    [
        "case,group\na,P1\nb,P1\nc,P2\n",
        "\ufeffCase;Age;Group\r\na;50;P1\r\nb;51;P1\r\nc;52;P2\r\n",
        "group\tcase\nP1\ta\nP1\tb\nP2\tc\nP9\tof no dataset\n",
        'case,group\na," P1 "\nb,P1\nc,P2\nc,P2\n\n',
    ],
)
def test_tables_of_spreadsheets_are_read(write, text):
    assert read_groups(write(text), "abc") == {"a": "P1", "b": "P1", "c": "P2"}


def test_everything_that_is_wrong_with_a_table_is_told_at_once(write):
    with pytest.raises(Problems) as problems:
        read_groups(write("case,group\na,P1\na,P2\nb,\n"), "abc")
    assert [line.partition(": ")[2] for line in problems.value.lines] == [
        "case 'b' has no group; add a line b,GROUP",
        "case 'c' has no group; add a line c,GROUP",
        "case 'a' is in the groups P1, P2; leave it in one",
    ]


@pytest.mark.parametrize("text", ["", "id,patient\na,1\n"])
def test_a_table_without_the_columns_is_refused(write, text):
    with pytest.raises(InvalidFile, match=r"groups.csv: the first line is .*; expected the columns case and group"):
        read_groups(write(text), "a")


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(InvalidFile, match=r"none.csv: cannot be read \(No such file or directory\)"):
        read_groups(tmp_path / "none.csv", "a")


@given(groups=GROUPS, data=st.data())
def test_no_group_crosses_a_fold_and_every_case_is_validated_once(groups, data):
    folds = data.draw(st.integers(2, len(set(groups.values()))))
    splits = group_folds(groups, folds)
    assert len(splits) == folds
    assert sorted(name for fold in splits for name in fold.val) == sorted(groups)
    for fold in splits:
        assert fold.train
        assert fold.val
        assert {*fold.train, *fold.val} == set(groups)
        assert not {groups[name] for name in fold.train} & {groups[name] for name in fold.val}
    assert crossing(splits, groups) == {}


def test_folds_of_groups_are_balanced_and_the_same_every_time():
    groups = {
        f"{group}{number}": group
        for group, size in zip("ABCDE", (8, 4, 4, 3, 1), strict=True)
        for number in range(size)
    }
    splits = group_folds(groups, 3)
    assert sorted(len(fold.val) for fold in splits) == [5, 7, 8]
    assert group_folds(dict(reversed(groups.items())), 3) == splits


@pytest.mark.parametrize("folds", [1, 3])
def test_groups_that_cannot_make_the_folds_are_counted(folds):
    with pytest.raises(NnplugError, match=f"2 groups cannot make {folds} folds; ask for at least 2 folds"):
        group_folds({"a": "P", "b": "Q", "c": "Q"}, folds)


def test_each_group_is_left_out_once():
    assert leave_one_group_out({"a": "site2", "b": "site1", "c": "site2"}) == (
        Fold(train=("a", "c"), val=("b",)),
        Fold(train=("b",), val=("a", "c")),
    )
    with pytest.raises(NnplugError, match="all 2 cases are in one group"):
        leave_one_group_out({"a": "P", "b": "P"})


ACDC = [f"patient{n:03d}_frame{frame:02d}" for n in range(1, 21) for frame in (1, 12)]


@pytest.mark.parametrize(
    "names",
    [
        ACDC,
        [f"{n:02d}_{side}" for n in range(9) for side in ("left", "right")],
        [f"{n}{c}" for n in range(9) for c in "ab"],
    ],
)
def test_names_of_one_patient_are_suspected_and_found_across_folds(names):
    groups = suspected_groups(names)
    assert len(set(groups.values())) == len(names) // 2
    found = crossing(make_splits(names), groups)
    assert found
    for first, second in found.values():
        assert first != second
        assert groups[first] == groups[second]
    assert crossing(group_folds(groups, 5), groups) == {}


@pytest.mark.parametrize(
    "names",
    [
        [f"hippocampus_{n:03d}" for n in range(50)],
        [f"BraTS2021_{n:05d}" for n in range(50)],
        [f"{year}_{n:03d}" for year in (2019, 2020) for n in range(40)],
        ["liver", "spleen"],
    ],
)
def test_names_that_are_only_numbered_are_not_suspected(names):
    assert crossing(make_splits(names), suspected_groups(names)) == {}


def test_a_fold_that_validates_on_its_training_cases_crosses_nothing():
    assert crossing([Fold(train=("a1", "a2"), val=("a1", "a2"))], {"a1": "a", "a2": "a"}) == {}
