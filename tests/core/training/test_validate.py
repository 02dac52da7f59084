"""What validation reads of an earlier one: damage is one line that names the file or the case."""

import json

import pytest

from nnplug.errors import InvalidFile
from nnplug.training.validate import was_mirrored


@pytest.mark.parametrize("content", [{}, {"mirroring": "yes"}, {"mirroring": 1}])
def test_settings_without_mirroring_are_named(content, tmp_path):
    assert was_mirrored(tmp_path)
    (tmp_path / "settings.json").write_text(json.dumps(content))
    with pytest.raises(
        InvalidFile, match=r"settings\.json: 'mirroring' is .*; expected true or false. Remove the fold"
    ):
        was_mirrored(tmp_path)
    (tmp_path / "settings.json").write_text(json.dumps({"mirroring": False}))
    assert not was_mirrored(tmp_path)
