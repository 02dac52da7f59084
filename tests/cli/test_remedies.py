"""Every remedy in the words of `nnplug`."""

from __future__ import annotations

import re

import pytest

from nnplug.remedies import Action, placeholders
from nnplug_cli.main import COMMANDS
from nnplug_cli.remedies import REMEDIES


@pytest.mark.parametrize("action", Action)
def test_every_action_is_worded(action):
    assert placeholders(REMEDIES[action]) <= placeholders(action.value)
    assert "nnUNet" not in REMEDIES[action]


@pytest.mark.parametrize("action", Action)
def test_the_words_name_commands_that_exist(action):
    for command in re.findall(r"nnplug ([a-z]+)", REMEDIES[action]):
        assert command in COMMANDS


@pytest.mark.parametrize("action", Action)
def test_the_core_names_no_command_and_no_option(action):
    assert not re.search(r"nnplug [a-z]+|(^|\s)--?[a-z]", action.value)
