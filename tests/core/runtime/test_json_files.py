"""JSON of people: with a byte-order mark, in other encodings, with a key that stands twice."""

from __future__ import annotations

import json

import pytest

from nnplug.errors import InvalidFile
from nnplug.runtime.json_files import read_json, read_json_once

DATA = {"labels": {"background": 0, "läsion": 1}}


def write(path, encoding):
    path.write_bytes(json.dumps(DATA, ensure_ascii=False).encode(encoding))
    return path


def test_a_byte_order_mark_is_left_out(tmp_path):
    assert read_json(write(tmp_path / "a.json", "utf-8-sig")) == DATA
    once = read_json_once(write(tmp_path / "a.json", "utf-8-sig"))
    assert once == DATA
    assert type(once) is type(once["labels"]) is dict


@pytest.mark.parametrize(("encoding", "name"), [("utf-16", "UTF-16"), ("latin-1", "another encoding")])
def test_other_encodings_are_named_with_the_remedy(encoding, name, tmp_path):
    with pytest.raises(InvalidFile, match=rf"a\.json: is text in {name}; save it as UTF-8"):
        read_json(write(tmp_path / "a.json", encoding))


def test_a_key_with_two_values_is_named_with_its_object(tmp_path):
    file = tmp_path / "a.json"
    file.write_text('{"x": 1, "labels": {"a": 1, "ignore": 4, "ignore": 5}, "x": 2, "same": [1], "same": [1]}')
    assert read_json(file)["labels"]["ignore"] == 5
    with pytest.raises(InvalidFile) as caught:
        read_json_once(file)
    assert caught.value.lines == (
        f"{file}: 'x' stands twice (1 and 2); keep one",
        f"{file}: 'ignore' stands twice in 'labels' (4 and 5); keep one",
    )
