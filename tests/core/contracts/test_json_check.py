"""A value that is no JSON is named with its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnplug.contracts.attributed.json_check import check_json
from nnplug.errors import InvalidPlugin


def test_json_values_pass():
    given = {"a": [1, 2.5, None, (True, "x")], "b": {"c": {}}, "d": np.float64(0.5)}
    assert check_json(object(), given, "a rule") == given


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ([1], "gave list instead of collections.abc.Mapping"),
        ({"a": {"b": [0, {1}]}}, r"a\.b\[1\] is set$"),
        ({"size": np.int64(3)}, r"size is numpy\.int64"),
        ({"file": Path("x")}, r"file is pathlib\."),
        ({"a": {1: "x"}}, "the key 1 of a is int"),
        ({2: "x"}, "the key 2 is int"),
    ],
)
def test_others_are_named_with_their_place(given, fault):
    with pytest.raises(InvalidPlugin, match=fault):
        check_json(object(), given, "a rule")
