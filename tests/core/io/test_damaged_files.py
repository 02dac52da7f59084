"""A library's error for a damaged file becomes one line with the file; errors of the disk stay."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from nnplug.errors import InvalidFile
from nnplug.io.damaged_files import damage_named

FILE = Path("case.nii.gz")
ERRORS = (zlib.error, ValueError)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (zlib.error("Error -3 while\n  decompressing"), "Error -3 while decompressing"),
        (ValueError(), "ValueError"),
        (OSError("truncated"), "truncated"),
    ],
)
def test_the_line_names_the_file_and_the_cause(error, cause):
    with pytest.raises(InvalidFile) as told, damage_named(FILE, ERRORS, "is damaged ({cause})"):
        raise error
    assert told.value.lines[0].startswith(f"{FILE}: is damaged ({cause})")


@pytest.mark.parametrize("error", [PermissionError(13, "denied"), KeyError("a"), InvalidFile("another line")])
def test_other_errors_pass(error):
    with pytest.raises(type(error)) as told, damage_named(FILE, ERRORS):
        raise error
    assert told.value is error
