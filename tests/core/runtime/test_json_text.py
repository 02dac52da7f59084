"""JSON that anybody may have written: every fault is a ValueError, and a line with the file where a file is read."""

from __future__ import annotations

import pytest

from nnplug.errors import InvalidFile
from nnplug.runtime.json_files import read_json, read_object
from nnplug.runtime.json_text import DEPTH, parse_json

FAULTS = {
    "deeper than the stack": ("[" * 200_000 + "]" * 200_000, "nested more than 100 deep"),
    "too deep": ("[" * (DEPTH + 1) + "]" * (DEPTH + 1), "nested more than 100 deep"),
    "half a character": (r'{"a": "\ud800"}', r"'\\ud800' is half of a character"),
    "half a key": (r'{"\udfff": 1}', "is half of a character"),
    "digits": ("1" * 5000, "4300 digits"),
    "nothing": ("", "Expecting value"),
}


@pytest.mark.parametrize(("text", "words"), FAULTS.values(), ids=FAULTS)
def test_each_fault_is_a_line_that_names_the_file(text, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        parse_json(text)
    (tmp_path / "plans.json").write_text(text)
    with pytest.raises(InvalidFile, match=rf"plans\.json: not valid JSON \(.*{words}"):
        read_json(tmp_path / "plans.json")


@pytest.mark.parametrize("text", ["[" * DEPTH + "]" * DEPTH, r'{"a": "\ud83d\ude00 \u00e9"}', b'{"a": "\\u00e9"}'])
def test_what_a_file_may_hold_is_read(text):
    parse_json(text)


@pytest.mark.parametrize("text", ["[1, 2]", "null", '"' + "x" * 100 + '"'])
def test_a_file_of_another_value_than_an_object_is_named(text, tmp_path):
    (tmp_path / "sources.json").write_text(text)
    with pytest.raises(InvalidFile, match=r"sources\.json: expected an object {\.\.}, got "):
        read_object(tmp_path / "sources.json")
