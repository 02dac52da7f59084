"""Reporters are called at the end of a run; one that fails costs a warning."""

from __future__ import annotations

from nnplug import Plugins
from nnplug.contracts import FinishedRun
from nnplug.pipeline.reports import write_reports
from nnplug.registry.runtime import Runtime
from nnplug.runtime.progress import Silent

PLUGIN = """
from pathlib import Path
from nnplug import ReporterComponent

class Writes:
    def report(self, run, runtime):
        (run.folder / "a.txt").write_text(" ".join(run.command))
        return run.folder / "a.txt"

class Raises:
    def report(self, run, runtime):
        raise ZeroDivisionError("no epochs")

class Gives:
    def report(self, run, runtime):
        return "a.txt"

class Forgets:
    def report(self, run, runtime):
        return run.folder / "absent.txt"

@hookimpl
def nnplug_reporters():
    for name in ("Raises", "Gives", "Forgets", "Writes"):
        yield ReporterComponent(f"x-{name.lower()}", f"fake_nnplug_x:{name}", "")
"""


class Told(Silent):
    def __init__(self):
        self.warnings = []

    def warning(self, message):
        self.warnings.append(str(message))


def test_each_reporter_is_called_and_a_failing_one_costs_a_warning(install, tmp_path):
    install("nnplug-x", "x", PLUGIN)
    others = [
        one.source.distribution for one in Plugins() if one.source.distribution not in ("nnplug-core", "nnplug-x")
    ]
    told = Told()
    runtime = Runtime(Plugins(block=others), progress=told)
    run = FinishedRun(tmp_path, "kit", (), command=("nnplug", "run"))
    assert write_reports(run, runtime) == (tmp_path / "a.txt",)
    assert (tmp_path / "a.txt").read_text() == "nnplug run"
    forgets, gives, raises = told.warnings
    assert forgets.startswith("no report of this run: reporter 'x-forgets' from nnplug-x 1.0 gave ")
    assert "absent.txt, which is no file" in forgets
    assert "reporter 'x-gives' from nnplug-x 1.0 gave str instead of pathlib.Path" in gives
    assert "reporter 'x-raises' from nnplug-x 1.0 failed: ZeroDivisionError: no epochs" in raises


def test_two_reporters_of_one_name_cost_a_warning_too(install, tmp_path):
    for number in (1, 2):
        body = PLUGIN.replace("fake_nnplug_x", f"fake_nnplug_x{number}").replace('"Raises", "Gives", "Forgets", ', "")
        install(f"nnplug-x{number}", f"x{number}", body.replace('("Writes")', '("Writes",)'))
    told = Told()
    assert write_reports(FinishedRun(tmp_path, "kit", ()), Runtime(only_fakes(), progress=told)) == ()
    assert "is offered by nnplug-x1 1.0 and nnplug-x2 1.0" in told.warnings[0]


def only_fakes():
    """Load the plugins of the core and of these tests."""
    names = {one.source.distribution for one in Plugins()}
    return Plugins(block=[name for name in names if not name.startswith(("nnplug-core", "nnplug-x"))])
