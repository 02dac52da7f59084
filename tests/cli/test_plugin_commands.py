"""Commands of plugins: listed with their distribution, imported when called, never in the place of ours."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from nnplug_cli.main import main

PLUGIN = """
    from nnplug import PluginCommand

    @hookimpl
    def nnplug_commands():
        yield PluginCommand("lab-report", "fake_nnplug_lab_commands:report", "a report of the lab")
        yield PluginCommand("export-lab", "fake_nnplug_lab_commands:group", "models for the lab", parent="model")
"""
COMMANDS = '''
import click
from nnplug import NnplugError

@click.command()
@click.option("--fail", type=click.Choice(["user", "bug", "usage", "exit"]))
@click.pass_obj
def report(context, fail):
    """Print the names of the plugins."""
    if fail == "user":
        raise NnplugError("case_1: has no consent")
    if fail == "bug":
        raise ZeroDivisionError("division by zero")
    if fail == "usage":
        raise click.UsageError("give more")
    if fail == "exit":
        click.get_current_context().exit(3)
    with context.progress.task("report", 1) as advance:
        advance("")
    click.echo(" ".join(plugin.source.plugin for plugin in context.plugins))

@click.group()
def group():
    """Export for the lab."""

@group.command("small")
def small():
    """Export a small one."""
    click.echo("small")

nothing = 3
'''

BUG = (
    "error: command 'lab-report' from nnplug-lab 1.0 failed: ZeroDivisionError: division by zero "
    "(fake_nnplug_lab_commands.py, line 13). Run: nnplug plugins check nnplug-lab\n"
)


def nnplug(*words):
    return CliRunner().invoke(main, [*words])


@pytest.fixture
def lab(install):
    """Install the plugin; gives the folder of its modules."""
    site = install("nnplug-lab", "lab", PLUGIN).parent
    (site / "fake_nnplug_lab_commands.py").write_text(COMMANDS)
    yield site
    sys.modules.pop("fake_nnplug_lab_commands", None)


def test_a_command_is_listed_with_its_distribution_and_not_imported(lab):
    printed = nnplug("--help").stdout
    assert "Commands of plugins:\n  lab-report  a report of the lab (nnplug-lab 1.0)\n" in printed
    assert "export-lab" not in printed
    assert re.search(r"export-lab +models for the lab \(nnplug-lab 1\.0\)", nnplug("model", "--help").stdout)
    assert "fake_nnplug_lab_commands" not in sys.modules
    found = [one for one in json.loads(nnplug("components", "command", "--json").stdout) if one["plugin"] == "lab"]
    assert [(one["name"], one["distribution"]) for one in found] == [
        ("lab-report", "nnplug-lab"),
        ("model export-lab", "nnplug-lab"),
    ]
    assert "fake_nnplug_lab_commands" not in sys.modules


def test_a_command_runs_with_plugins_and_progress(lab):
    result = nnplug("lab-report")
    assert result.exit_code == 0, result.output
    assert {"core", "lab", "nnunet"} <= set(result.stdout.split())
    assert "Print the names of the plugins." in nnplug("lab-report", "--help").stdout


def test_a_group_goes_into_a_group(lab):
    assert nnplug("model", "export-lab", "small").stdout == "small\n"


def test_a_misspelt_command_of_a_plugin_is_suggested(lab):
    result = nnplug("lab-repport")
    assert result.exit_code == 2
    assert "No such command 'lab-repport'. Did you mean 'lab-report'?" in result.stderr
    assert "Did you mean 'export-lab'?" in nnplug("model", "export-lap").stderr


@pytest.mark.parametrize(
    ("fail", "code", "line"),
    [
        ("user", 1, "error: case_1: has no consent\n"),
        ("usage", 2, "Error: give more\n"),
        ("exit", 3, ""),
        ("bug", 1, BUG),
    ],
)
def test_errors_of_a_command_are_lines(lab, fail, code, line):
    result = nnplug("lab-report", "--fail", fail)
    assert result.exit_code == code
    assert result.stderr.endswith(line)
    assert "Traceback" not in result.stderr


def test_a_blocked_plugin_has_no_commands(lab):
    assert "lab-report" not in nnplug("-p", "no:lab", "--help").stdout
    assert "No such command 'lab-report'" in nnplug("-p", "no:lab", "lab-report").stderr


def test_help_of_a_command_of_ours_loads_no_plugin(lab):
    code = (
        "import sys\nfrom nnplug_cli.main import main\n"
        "try: main(['train', '--help'])\nexcept SystemExit: print('fake_nnplug_lab' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(lab)!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ('"train", "a:b", ""', "command 'train' from nnplug-odd 1.0 is off: nnplug has a command of this name"),
        ('"show", "a:b", "", "model"', "command 'model show' from nnplug-odd 1.0 is off: nnplug has a command of this"),
        (
            '"x", "a:b", "", "modle"',
            "command 'modle x' from nnplug-odd 1.0 is off: nnplug has no group of commands",
        ),
        (
            '"x", "a:b", "", "train"',
            "command 'train x' from nnplug-odd 1.0 is off: nnplug has no group of commands",
        ),
    ],
)
def test_a_command_in_the_place_of_ours_is_refused_with_its_distribution(install, entry, line):
    body = f"from nnplug import PluginCommand\n@hookimpl\ndef nnplug_commands(): yield PluginCommand({entry})"
    install("nnplug-odd", "odd", body)
    result = nnplug("components", "command")
    assert (result.exit_code, result.stderr.count("\n")) == (0, 1)
    assert result.stderr.startswith(f"warning: {line}")
    assert "(nnplug-odd" not in nnplug("--help").stdout
    assert nnplug("train", "--help").stderr == ""
    check = nnplug("plugins", "check", "odd")
    assert check.exit_code == 1
    assert "is off: nnplug has" in check.stdout


def test_one_name_of_two_distributions_is_an_error_that_names_both(lab, install):
    install("nnplug-lab-too", "lab-too", PLUGIN)
    result = nnplug("lab-report")
    assert result.exit_code == 1
    assert "command 'lab-report' is offered by nnplug-lab 1.0 and nnplug-lab-too 1.0" in result.stderr
    assert "Block one with nnplug -p no:nnplug-lab or nnplug -p no:nnplug-lab-too." in result.stderr


@pytest.mark.parametrize(
    ("target", "line"),
    [
        (
            "fake_nnplug_lab_commands:nothing",
            "error: command 'x' from nnplug-odd 1.0 is no click command (fake",
        ),
        ("fake_nothere:x", "error: command 'x' from nnplug-odd 1.0 cannot be imported (fake_nothere:x: ModuleNotFound"),
    ],
)
def test_a_target_that_is_no_command_is_one_line(lab, install, target, line):
    body = (
        f"from nnplug import PluginCommand\n@hookimpl\ndef nnplug_commands(): yield PluginCommand('x', {target!r}, '')"
    )
    install("nnplug-odd", "odd", body)
    result = nnplug("x")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith(line)


def test_the_commands_of_a_plugin_are_checked(lab):
    result = nnplug("plugins", "check", "lab", "--json")
    assert result.exit_code == 0, result.output
    found = {(one["component"], one["check"], one["state"]) for one in json.loads(result.stdout)}
    assert ("command lab-report", "is a click command with help", "passed") in found
    assert ("command model export-lab", "has a name of its own", "passed") in found


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ('"Bad", "a:b", ""', "command name 'Bad' is not lower-case words"),
        ('"a", "a.b", ""', "'a.b' of component 'a' is not 'package.module:attribute'"),
        ('"a", "a:b", 3', "summary of command 'a' is 3"),
        ('"a", "a:b", "", "A B"', "command name 'A B' is not lower-case words"),
    ],
)
def test_entries_are_checked(install, entry, reason):
    body = f"from nnplug import PluginCommand\n@hookimpl\ndef nnplug_commands(): yield PluginCommand({entry})"
    install("nnplug-bad", "bad", body)
    assert reason in nnplug("components").stderr


def test_a_command_of_a_plugin_that_is_off_is_missed_with_the_reason(install):
    install("nnplug-bad", "bad", "import nothere  # for nnplug_commands")
    result = nnplug("bad-report")
    assert result.exit_code == 2
    assert "plugin 'bad' of nnplug-bad 1.0 is off: ModuleNotFoundError: No module named 'nothere'" in result.stderr
    assert "No such command 'bad-report'" in result.stderr
    assert nnplug("--help").stderr == ""
