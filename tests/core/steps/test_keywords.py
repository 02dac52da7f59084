"""The keywords of the steps are the options of the commands, with their defaults; wrong ones are refused at once."""

from __future__ import annotations

import importlib
from inspect import Parameter, signature

import pytest

import nnplug
from nnplug.errors import InvalidOptions
from nnplug.steps.keywords import DEFAULTS, PLAN_KINDS

STEPS = ("evaluate", "fingerprint", "plan", "predict", "preprocess", "run", "select", "split", "train", "verify")

RENAMED = {
    "configuration": "configurations",
    "fold": "folds",
    "from": "source",
    "input": "inputs",
    "model": "models",
    "output_type": "output_types",
    "set": "options",
    "tracker": "trackers",
    "continue": "resume",
    "no_mirroring": "mirroring",
    "no_ensembles": "ensembles",
}
"""An option of a command -> the keyword for it: several values, words of Python's own, and what "no" negates."""

COMMAND_ONLY = {"help", "json", "summary", "memory", "estimate"}
"""Options that only change what is printed."""

FILES_OF_PLAN = {"fingerprint", "dataset_json", "output", "replace", "device"}
"""Options of `nnplug plan` without a workspace, which is `nnplug.preparation.make_plans`, and of its estimate."""


def options(command):
    """Return keyword -> default of a command's arguments and options, in Python's terms."""
    module = importlib.import_module(f"nnplug_cli.commands.{command}")
    found = {}
    for one in module.command.params:
        own = max((word for word in one.opts), key=len).lstrip("-").replace("-", "_")
        if own in COMMAND_ONLY or (command == "plan" and own in FILES_OF_PLAN):
            continue
        default = one.to_info_dict().get("default")
        negated = own.startswith("no_")
        found[RENAMED.get(own, own)] = not default if negated else default
    return found


@pytest.mark.parametrize("step", STEPS)
def test_a_step_has_the_options_of_its_command_with_their_defaults(step):
    parameters = signature(getattr(nnplug, step)).parameters
    own = {name: one.default for name, one in parameters.items() if name not in ("progress", "plugins")}
    command = options(step)
    assert own.keys() == command.keys()
    for name, default in own.items():
        if default is Parameter.empty:
            continue
        given = command[name]
        if name == "metrics":
            assert [default] == list(given)
        elif default in ((), {}, None):
            assert not given, name
        else:
            assert given == default, name


def test_the_functions_are_public_and_none_hides_a_module():
    assert set(STEPS) <= set(nnplug.__all__)
    for name in nnplug.__all__:
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(f"nnplug.{name}")


def test_planning_takes_a_name_of_every_kind_that_the_command_takes():
    from nnplug_cli.options import PLAN_KINDS as OF_THE_COMMAND

    assert set(PLAN_KINDS) == set(OF_THE_COMMAND)
    assert all(DEFAULTS[kind] is None for kind in PLAN_KINDS)


def test_an_unknown_keyword_is_a_type_error_with_the_nearest_one():
    with pytest.raises(TypeError, match=r"run\(\) has no argument 'sed'. Did you mean 'seed'\?"):
        nnplug.run("d", sed=1)
    with pytest.raises(TypeError, match=r"verify\(\) has no argument 'qqqqqq'.$"):
        nnplug.verify("d", qqqqqq=1)


@pytest.mark.parametrize(
    ("step", "given", "words"),
    [
        ("run", {"workers": 0}, "workers is 0; expected at least 1"),
        ("run", {"seed": -1}, "seed is -1; expected at least 0"),
        ("run", {"memory_gb": 0}, "memory_gb is 0; expected more than 0"),
        ("train", {"weights": "last"}, "weights is 'last'; expected 'final' or 'best'"),
        ("run", {"until": "end"}, "until is 'end'; expected one of verify, fingerprint, plan, "),
        ("run", {"folds": "first"}, "folds: 'first' is neither a fold's number nor 'all'"),
        ("run", {"folds": (0, -1)}, "folds: -1 is neither a fold's number nor 'all'"),
        ("run", {"folds": []}, "folds: [] is empty; leave the argument out for the default"),
        ("train", {"configurations": []}, "configurations: [] is empty; leave the argument out for the default"),
        ("run", {"options": {"epochs": 3}}, "options: 'epochs' names no option; give 'KIND.KEY': VALUE"),
        ("run", {"options": {"trainr.epochs": 3}}, "there is no 'trainr' to set. Did you mean 'trainer'?"),
        ("run", {"options": {"trainer.epochs": {1}}}, "options: 'trainer.epochs' is {1}; give numbers, text, lists"),
        ("select", {"folds": "all"}, "fold 'all' is no part of a cross-validation"),
        ("train", {"fresh": True, "validate_only": True}, "fresh=True trains again, validate_only=True does not train"),
    ],
)
def test_values_out_of_range_are_refused_in_the_words_of_python(step, given, words, tmp_path, write_dataset):
    import numpy as np

    label = np.zeros((4, 4, 4), np.uint8)
    folder = write_dataset({"a": (np.zeros((1, 4, 4, 4), np.float32), label)})
    with pytest.raises(InvalidOptions) as error:
        getattr(nnplug, step)(folder, workspace=tmp_path / "w", **given)
    assert words in str(error.value)


def test_parts_of_a_prediction_count_from_zero():
    with pytest.raises(InvalidOptions, match="part 2 of 2 parts: parts count from 0 to 1"):
        nnplug.predict("i", "o", "m", part=2, parts=2)


def test_workers_count_threads_of_this_machine_only():
    with pytest.raises(nnplug.NnplugError, match=r"workers=2 counts threads .* 'dask'. Set executor.workers=2 in opt"):
        nnplug.verify("d", executor="dask", workers=2)
