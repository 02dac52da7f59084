"""The command's house: speed, lazy imports, errors as lines, exit codes."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys
import time
from importlib import import_module, metadata
from inspect import signature
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from nnplug import Plugins
from nnplug.dataset.phantom import write_phantom
from nnplug.errors import NnplugError, Problems
from nnplug_cli import main as house
from nnplug_cli.choices import FoldSelection, RuntimeOptions
from nnplug_cli.command_names import GROUPS
from nnplug_cli.context import Context
from nnplug_cli.main import COMMANDS, main
from nnplug_cli.options import (
    compared_options,
    component_options,
    configuration_option,
    dataset_folder,
    device_option,
    devices_option,
    executor_option,
    fold_option,
    gathered,
    runtime_options,
    selection_options,
    set_option,
    workers_option,
)
from nnplug_cli.signals import Stopped, stoppable

NNPLUG = Path(sys.executable).parent / "nnplug"
HEAVY = ("numpy", "torch", "scipy", "SimpleITK", "matplotlib")


@pytest.fixture
def failing(monkeypatch):
    """Make `nnplug demo` raise something, and run it."""

    def run(error, *options):
        @click.command()
        def command():
            raise error

        monkeypatch.setattr(house, "import_module", lambda _: type("Module", (), {"command": command}))
        return CliRunner().invoke(main, [*options, "demo"])

    return run


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["components", "--json"], ["plugins", "list"], ["show", "recipe", "nnunet"]],
)
def test_listings_import_no_heavy_library(arguments):
    code = (
        "import sys, nnplug\n"
        "from nnplug_cli.main import main\n"
        "try: main(sys.argv[1:], prog_name='nnplug')\n"
        "except SystemExit as error: assert error.code == 0, error.code\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == "[]"


def test_the_installed_command_answers_and_imports_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", NNPLUG, "components"], capture_output=True, text=True, check=True
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "nnplug.registry.loader" in imported
    assert not imported & set(HEAVY)
    assert done.stdout.startswith("kind ")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_listed_command_is_a_module_with_help(name):
    command = import_module(f"nnplug_cli.commands.{name}").command
    assert isinstance(command, click.Command)
    assert command.help
    assert r"\b" not in command.help  # click keeps lines after the character, not after its escape


def test_every_module_of_commands_is_listed():
    folder = Path(house.__file__).parent / "commands"
    assert {p.stem for p in folder.glob("*.py")} - {"__init__"} == set(COMMANDS)


def test_every_command_of_a_group_is_listed():
    commands = {name: import_module(f"nnplug_cli.commands.{name}").command for name in COMMANDS}
    groups = {name: tuple(sorted(one.commands)) for name, one in commands.items() if isinstance(one, click.Group)}
    assert groups == GROUPS


def test_the_version_lists_every_distribution_after_our_own(install):
    install("other-lab", "lab", "", version="3.1")
    lines = CliRunner().invoke(main, ["--version"]).stdout.splitlines()
    assert lines[0] == f"nnplug {metadata.version('nnplug')}"
    assert {f"nnplug-core {metadata.version('nnplug-core')}", "other-lab 3.1"} <= set(lines[1:])
    assert lines[1:] == sorted(set(lines) - {lines[0]})


def test_an_expected_error_is_one_line_and_exit_code_1(failing):
    result = failing(NnplugError("case_1: wrong\nfor " + 300 * "a"))
    assert result.exit_code == 1
    assert result.stderr == f"error: case_1: wrong for {300 * 'a'}\n"
    assert result.stdout == ""


def test_problems_are_one_line_each(failing):
    result = failing(Problems(["a.nii.gz: bad", "b.nii.gz: worse"]))
    assert (result.exit_code, result.stderr) == (1, "error: a.nii.gz: bad\nerror: b.nii.gz: worse\n")


def test_verbose_shows_where_an_error_came_from(failing):
    assert "Traceback" in failing(NnplugError("wrong"), "-v").stderr
    assert "Traceback" not in failing(NnplugError("wrong")).stderr


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/w/a.npy"), "/w/a.npy: No space left on device. Free some"),
        (PermissionError(errno.EACCES, "Permission denied", "/w"), "/w: Permission denied."),
        (OSError("odd"), "odd."),
        (RuntimeError("CUDA error: out of memory\nmore lines"), "the GPU has too little memory (CUDA error: out of"),
    ],
)
def test_errors_of_the_system_are_one_line(failing, error, line):
    result = failing(error)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {line}")
    assert len(result.stderr.splitlines()) == 1


def test_ctrl_c_is_a_short_line_and_130(failing):
    result = failing(KeyboardInterrupt())
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


ENDS = [
    ("SIGINT", "interrupted"),
    ("SIGTERM", "stopped by SIGTERM; finished work is kept; run the same command again"),
    ("SIGHUP", "stopped by SIGHUP; finished work is kept; run the same command again"),
]


def signalled(name, seconds):
    """Run a command that signals its own process, and then cleans up for some seconds."""
    default = "default_int_handler" if name == "SIGINT" else "SIG_DFL"  # this test may run under nohup
    code = (
        "import os, signal, time, click\n"
        f"signal.signal(signal.{name}, signal.{default})\n"
        "from nnplug_cli import main as house, signals\n"
        "signals.PATIENCE = 0.2\n"
        "@click.command()\n"
        "def command():\n"
        "    try:\n"
        f"        os.kill(os.getpid(), signal.{name})\n"
        "        time.sleep(60)\n"
        "    finally:\n"
        f"        time.sleep({seconds})\n"
        "house.import_module = lambda _: type('Module', (), {'command': command})\n"
        "house.main(['demo'])"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("name", "line"), ENDS, ids=[name for name, _ in ENDS])
def test_a_signal_ends_a_command_with_a_line(name, line):
    done = signalled(name, 0)
    assert done.returncode == 128 + getattr(signal, name)
    assert done.stderr == f"{line}\n"


@pytest.mark.parametrize(("name", "line"), ENDS[:2], ids=["SIGINT", "SIGTERM"])
def test_a_command_that_ends_slowly_says_so_at_once(name, line):
    done = signalled(name, 1)
    assert done.stderr == f"ending: the current step ends, and unfinished files are removed\n{line}\n"


def test_signals_that_nohup_ignores_stay_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable(print):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_pipe_that_breaks_inside_is_told(failing):
    result = failing(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    assert (result.exit_code, result.stderr) == (1, "error: Broken pipe.\n")


def test_a_bug_traces(failing):
    assert isinstance(failing(ZeroDivisionError()).exception, ZeroDivisionError)


def test_a_misspelt_command_is_a_usage_error_with_a_suggestion():
    result = CliRunner().invoke(main, ["componets"])
    assert result.exit_code == 2
    assert "No such command 'componets'. Did you mean 'components'?" in result.stderr
    assert CliRunner().invoke(main, ["qqq"]).exit_code == 2


@pytest.mark.parametrize("variable", ["no:brats no:nnunet", " no:brats,no:nnunet ", "no:nnplug-brats, no:nnunet"])
def test_plugins_are_blocked_by_the_environment(variable):
    result = CliRunner().invoke(main, ["plugins", "list", "--json"], env={"NNPLUG_PLUGINS": variable})
    status = {p["plugin"]: p["status"] for p in json.loads(result.stdout)}
    assert (status["brats"], status["nnunet"]) == ("blocked", "blocked")


def test_the_option_adds_to_the_environment():
    result = CliRunner().invoke(
        main, ["-p", "no:brats", "plugins", "list", "--json"], env={"NNPLUG_PLUGINS": "no:nnunet"}
    )
    blocked = {p["plugin"]: p["blocked_by"] for p in json.loads(result.stdout)}
    assert (blocked["brats"], blocked["nnunet"]) == ("brats", "nnunet")


def test_blocking_an_unknown_name_is_an_error_in_every_command(failing):
    result = failing(ZeroDivisionError(), "-p", "no:nnuent")
    assert (result.exit_code, result.stderr) == (
        1,
        "error: cannot block 'nnuent': no plugin or distribution of that name. Did you mean 'nnunet'?\n",
    )


@pytest.mark.parametrize("value", ["brats", "no:"])
def test_blocking_has_one_form(value):
    result = CliRunner().invoke(main, ["-p", value, "components"])
    assert result.exit_code == 2
    assert f"expected no:NAME, got '{value}'" in result.stderr


def test_a_plugin_that_fails_is_a_warning_wherever_plugins_are_used(install):
    install("nnplug-bad", "bad", "import nothere")
    result = CliRunner().invoke(main, ["components", "--json"])
    assert result.exit_code == 0
    assert result.stderr == (
        "warning: plugin 'bad' of nnplug-bad 1.0 is off: ModuleNotFoundError: No module named 'nothere'\n"
    )
    assert json.loads(result.stdout)


def test_the_workspace_is_the_option_or_the_variable_or_a_folder_here(monkeypatch):
    monkeypatch.setenv("NNPLUG_WORKSPACE", "/from/variable")
    assert Context().workspace_root(Path("w")) == Path.cwd() / "w"
    assert Context().workspace_root(None) == Path("/from/variable")
    monkeypatch.setenv("NNPLUG_WORKSPACE", "~/work")  # as a Dockerfile sets it, without a shell
    assert Context().workspace_root(None) == Path.home() / "work"
    monkeypatch.delenv("NNPLUG_WORKSPACE")
    assert Context().workspace_root(None) == Path.cwd() / "nnplug-work"


def options(decorator, *arguments):
    """What a command with these options gets."""
    got = {}

    def command(**values):
        got.update(values)

    command = click.command()(decorator(command))
    result = CliRunner().invoke(command, arguments)
    return got if result.exit_code == 0 else result


def every_command(group):
    context = click.Context(group)
    for command in [group.get_command(context, name) for name in group.list_commands(context)]:
        yield from every_command(command) if isinstance(command, click.Group) else [command]


def test_no_command_takes_more_than_eight_arguments():
    functions = [command.callback for command in every_command(main)]
    assert len(functions) > len(COMMANDS)
    long = {f.__module__: len(signature(f).parameters) for f in functions if len(signature(f).parameters) > 8}
    assert long == {}


def test_component_options_come_packed():
    choices = options(component_options, "--planner", "a", "--trainer", "b", "--memory-gb", "11", "--name", "n")[
        "choices"
    ]
    assert choices.components == {"planner": "a", "trainer": "b"}
    assert (choices.recipe, choices.memory_gb, choices.name) == (None, 11.0, "n")


def test_what_concerns_the_machine_comes_as_one_object_and_the_rest_as_it_is():
    runs = runtime_options(executor_option, set_option, device_option, devices_option, workers_option)
    given = ("--executor", "dask", "--set", "executor.n=2", "--set", "trainer.epochs=1", "--devices", "2")
    found = options(runs, *given, "--device", "cpu", "--workers", "3")
    overrides = {"executor": {"n": 2}, "trainer": {"epochs": 1}}
    assert found == {"runtime": RuntimeOptions("dask", overrides, "cpu", 3), "devices": 2}
    assert found["runtime"].settings == {"trainer": {"epochs": 1}}
    assert options(runtime_options(device_option)) == {"runtime": RuntimeOptions()}


def test_a_group_takes_its_values_from_options_that_stand_elsewhere():
    def both(command):
        inner = gathered("selection", FoldSelection, configuration_option)(command)
        return runtime_options(fold_option, device_option)(inner)

    found = options(both, "-c", "2d", "-f", "1", "--device", "cpu")
    assert found == {"selection": FoldSelection(("2d",), (1,)), "runtime": RuntimeOptions(device="cpu")}
    assert options(selection_options, "-f", "all") == {"selection": FoldSelection((), ("all",))}


def test_references_and_predictions_come_with_their_dataset_json():
    pair = compared_options(click.option("--dataset-json", type=click.Path(path_type=Path)))
    compared = options(pair, "-r", "a", "-p", "b", "--dataset-json", "c.json")["compared"]
    assert (compared.references, compared.predictions, compared.dataset_json) == (Path("a"), Path("b"), Path("c.json"))
    assert options(pair, "-r", "a").exit_code == 2


def test_configurations_folds_and_overrides():
    assert options(configuration_option, "-c", "2d", "-c", "3d_fullres") == {"configurations": ("2d", "3d_fullres")}
    assert options(fold_option, "-f", "0", "-f", "all") == {"folds": (0, "all")}
    assert options(fold_option, "-f", "-1").exit_code == 2
    assert options(fold_option, "-f", "²").exit_code == 2  # a digit, but no number
    assert options(set_option, "--set", "plan.batch_size=2") == {"overrides": {"plan": {"batch_size": 2}}}


def test_datasets_are_found_by_path_or_in_nnunet_raw(tmp_path, monkeypatch):
    (tmp_path / "Dataset004_Hippocampus").mkdir()
    monkeypatch.delenv("nnUNet_raw", raising=False)
    assert dataset_folder("some/folder") == Path("some/folder")
    with pytest.raises(NnplugError, match="4: no such folder, and nnUNet_raw is not set"):
        dataset_folder("4")
    monkeypatch.setenv("nnUNet_raw", str(tmp_path))
    assert dataset_folder("4") == dataset_folder("Dataset004_Hippocampus") == tmp_path / "Dataset004_Hippocampus"


def test_stages_before_training_import_neither_torch_nor_scipy_stats(tmp_path):
    dataset = write_phantom(tmp_path / "Dataset900_Light", cases=2, unseen=0, shape=(24, 28, 24))
    words = ["run", str(dataset.folder), "-w", str(tmp_path / "w"), "-c", "3d_fullres", "--until", "preprocess"]
    code = (
        "import sys\nfrom nnplug_cli.main import main\n"
        f"main({words!r}, standalone_mode=False)\nprint(sys.modules.keys() & {{'torch', 'scipy.stats'}})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["set()"], done.stderr
    for name in ("image.npy", "voxels.npy"):  # the index of the trainer is made without its module
        assert len(list((tmp_path / "w").glob(f"*/preprocessed/*/*/{name}"))) == 2


def test_a_stop_while_a_component_is_imported_is_no_fault_of_its_plugin(monkeypatch):
    from nnplug.registry import components

    entry = next(iter(Plugins().registry))

    def stop(_):
        raise Stopped(signal.SIGTERM)

    monkeypatch.setattr(components.pkgutil, "resolve_name", stop)
    with pytest.raises(Stopped):
        entry.load()


def test_a_signal_whose_exception_python_ignores_comes_again():
    class Fading:
        def __del__(self):
            signal.raise_signal(signal.SIGTERM)

    def work():
        Fading()
        time.sleep(5)

    with pytest.raises(Stopped), stoppable(lambda: None):
        work()
    with pytest.raises(Stopped), stoppable(lambda: None):
        Fading()  # the block ends before the signal comes again
