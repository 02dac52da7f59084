"""Records: strict JSON that comes back as it went."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnplug.errors import InvalidFile
from nnplug.runtime.records import Record


class Inner(Record, frozen=True, kw_only=True):
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    next_stage: str | None = None


class Outer(Record, frozen=True, kw_only=True):
    size: tuple[int, ...]
    ratio: float = 1.0
    inner: Inner | None = None
    parts: dict[str, Inner] = msgspec.field(default_factory=dict)
    required: str | None


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
inners = st.builds(
    Inner, options=st.dictionaries(st.text(max_size=3), values, max_size=3), next_stage=st.none() | st.text()
)


@given(
    st.builds(
        Outer,
        size=st.lists(st.integers(0, 9)).map(tuple),
        inner=st.none() | inners,
        parts=st.dictionaries(st.text(max_size=3), inners, max_size=2),
        required=st.none() | st.text(),
    )
)
def test_a_record_comes_back_as_it_went(tmp_path_factory: Any, outer: Outer):
    path = Path(tmp_path_factory.getbasetemp()) / "record.json"
    outer.write(path)
    assert Outer.read(path) == outer


def test_optional_fields_that_are_none_are_left_out_but_not_those_of_options():
    outer = Outer(size=(1,), inner=Inner(options={"norm": None}), required=None)
    assert outer.data() == {
        "size": [1],
        "ratio": 1.0,
        "inner": {"options": {"norm": None}},
        "parts": {},
        "required": None,
    }


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"size": [1]}, "Object missing required field 'required'"),
        ({"size": [1], "required": None, "colour": 1}, "Object contains unknown field 'colour'"),
        ({"size": ["a"], "required": None}, "Expected 'int', got 'str' - at '$.size[0]'"),
        ([], "Expected 'object', got 'array'"),
    ],
)
def test_what_does_not_fit_names_file_and_key(data: Any, reason: str):
    with pytest.raises(InvalidFile) as error:
        Outer.from_data(data, "plans.json")
    assert str(error.value) == f"plans.json: {reason}"


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(InvalidFile, match=r"gone\.json: no such file"):
        Outer.read(tmp_path / "gone.json")


TWO_THREADS = """
import sys, threading
import msgspec
from nnplug.runtime.records import Record

sys.setswitchinterval(1e-6)
for number in range(100):
    parts = {f"Part{k}": msgspec.defstruct(f"Part{k}", [("a", int), ("b", list[int])]) for k in range(6)}
    fields = [(name, part | None, None) for name, part in parts.items()]
    kind = msgspec.defstruct("Whole", fields, bases=(Record,), frozen=True, kw_only=True)
    barrier = threading.Barrier(4)

    def convert():
        barrier.wait()
        kind.from_data({"Part1": {"a": 1, "b": [2]}}, "a.json")

    threads = [threading.Thread(target=convert) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
"""


def test_threads_that_read_a_first_record_together_do_not_crash():
    """msgspec prepares a class at its first conversion, and crashes if two threads do so at once."""
    done = subprocess.run([sys.executable, "-c", TWO_THREADS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
