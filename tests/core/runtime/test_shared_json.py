"""A JSON file that several processes change: every change is there, and a damaged file counts as empty."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from nnplug.runtime.shared_json import object_or_empty, shared_object


def test_changes_of_several_at_once_are_all_there(tmp_path):
    path = tmp_path / "a.json"

    def change(number):
        with shared_object(path) as content:
            content[str(number)] = number

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(16)))
    assert json.loads(path.read_text()) == {str(number): number for number in range(16)}


def test_a_change_that_fails_leaves_the_file(tmp_path):
    (tmp_path / "a.json").write_text('{"a": 1}')

    def fail():
        with shared_object(tmp_path / "a.json") as content:
            content["a"] = 2
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert object_or_empty(tmp_path / "a.json") == {"a": 1}


@pytest.mark.parametrize("text", ["", "[1]", "{"])
def test_what_is_no_object_counts_as_empty(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    assert object_or_empty(tmp_path / "a.json") == {}
    assert object_or_empty(tmp_path / "none.json") == {}
