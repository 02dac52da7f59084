"""The log of finished predictions outlives full disks."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nnplug.inference.outputs import resume_log

WHOLE = '{"case": "a", "depends_on": "b"}\n'


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("", True),
        (WHOLE, True),
        ('{"ca', True),
        ('{"case": "phan', True),
        (WHOLE + '{"case": "phan', True),
        ('{"case": "phan\n', False),
        ("mine", False),
        ("{}\n", False),
    ],
)
def test_a_file_of_somebody_else_is_no_log(tmp_path, text, ours):
    (tmp_path / resume_log.LOG).write_text(text)
    assert resume_log.is_there(tmp_path) is ours


def test_a_line_that_was_cut_short_costs_no_other_line(tmp_path):
    (tmp_path / resume_log.LOG).write_text(WHOLE + '{"case": "c", "dep')
    resume_log.note(tmp_path, SimpleNamespace(name="c"), depends_on="d")
    assert resume_log.read(tmp_path) == {"a": "b", "c": "d"}
