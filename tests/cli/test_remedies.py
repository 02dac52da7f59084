"""Every remedy in the words of `nnplug`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nnplug.registry.components import Kind
from nnplug.remedies import Action, Names, placeholders
from nnplug_cli.main import COMMANDS
from nnplug_cli.remedies import REMEDIES

TWO = Names(("nnplug-x", "nnplug-y"))


@pytest.mark.parametrize("action", Action)
def test_every_action_is_worded(action):
    assert placeholders(REMEDIES[action]) <= placeholders(action.value)
    assert "nnUNet" not in REMEDIES[action]


@pytest.mark.parametrize("action", Action)
def test_the_words_name_commands_that_exist(action):
    for command in re.findall(r"nnplug ([a-z]+)", REMEDIES[action]):
        assert command in COMMANDS


@pytest.mark.parametrize(
    ("remedy", "words"),
    [
        (Action.BLOCK_ONE_PLUGIN(names=TWO), "Block one with nnplug -p no:nnplug-x or nnplug -p no:nnplug-y."),
        (Action.BLOCK_PLUGINS(names=TWO), "nnplug -p no:nnplug-x -p no:nnplug-y leaves it out"),
        (Action.UNBLOCK_PLUGIN(name="x"), "Remove no:x from -p or NNPLUG_PLUGINS."),
        (
            Action.CHOOSE_DEFAULT_RECIPE(recipes=Names(("acme", "other")), names=TWO),
            (
                "Choose one with --recipe acme or --recipe other, or block one with nnplug -p no:nnplug-x or "
                "nnplug -p no:nnplug-y."
            ),
        ),
        (
            Action.CHOOSE_KINDS(kinds=Names((Kind.EXTRACTOR, Kind.AUGMENTER)), known="part"),
            "Name each with --extractor NAME --augmenter NAME, or give --recipe NAME (installed: part).",
        ),
        (
            Action.OTHER_OUTPUT_OR_REPLACE(),
            "give another output (-o), or allow it with --replace (from Python: replace=True)",
        ),
        (
            Action.TRAIN_PREVIOUS_STAGE(
                dataset=Path("/d"), workspace=Path("/w"), plans="p", configuration="3d_lowres", fold=2
            ),
            "Run: nnplug train /d -w /w --name p -c 3d_lowres -f 2",
        ),
        (
            Action.PREPROCESS(dataset=Path("/my data/d"), workspace=Path("/w"), plans="p", configuration="2d"),
            "Run: nnplug preprocess '/my data/d' -w /w --name p -c 2d",
        ),
        (
            Action.PLAN_FIRST(dataset=Path("/d"), workspace=Path("w"), plans="p"),
            "Run: nnplug plan /d -w w --name p",
        ),
        (Action.MEASURE_FIRST(dataset=Path("/d"), workspace=Path("w")), "Run: nnplug fingerprint /d -w w"),
    ],
)
def test_arguments_become_options(remedy, words):
    assert remedy.words(REMEDIES) == words


@pytest.mark.parametrize("action", Action)
def test_the_core_names_no_command_and_no_option(action):
    assert not re.search(r"nnplug [a-z]+|(^|\s)--?[a-z]", action.value)
