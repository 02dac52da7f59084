"""Every remedy in the words of nnU-Net's commands."""

from __future__ import annotations

import re
from importlib.metadata import entry_points

import pytest

from nnplug.errors import NnplugError
from nnplug.remedies import Action, placeholders
from nnplug_cli.failures import reported_errors
from nnplug_nnunetv2_commands.command import Call
from nnplug_nnunetv2_commands.environment import Environment
from nnplug_nnunetv2_commands.remedies import REMEDIES


@pytest.mark.parametrize("action", Action)
def test_every_action_is_worded(action):
    assert placeholders(REMEDIES[action]) <= placeholders(action.value)


@pytest.mark.parametrize("action", Action)
def test_the_words_name_commands_that_are_installed(action):
    commands = entry_points(group="console_scripts").names
    assert {*re.findall(r"nnUNetv2_[a-z_]+", REMEDIES[action])} <= commands


def test_notices_and_errors_have_these_words(capsys):
    call = Call(environment=Environment({}), quiet=True)
    line = NnplugError("a: is empty", Action.TRAIN_ANEW()).lines[0]
    call.progress.notice(line)
    with pytest.raises(SystemExit), reported_errors(call.remedies, verbose=lambda: False):
        raise NnplugError("a: is empty", Action.TRAIN_ANEW())
    expected = "a: is empty. Run nnUNetv2_train without --c, which trains it again from the start."
    assert capsys.readouterr().err.splitlines() == [f"notice: {expected}", f"error: {expected}"]
