"""Write the reports of a finished run with the installed reporters."""

from __future__ import annotations

from pathlib import Path

from nnplug.contracts.kinds import REPORTER
from nnplug.contracts.reporter import FinishedRun
from nnplug.errors import NnplugError, within
from nnplug.registry.attribution import attributed, broken, expect
from nnplug.registry.components import Kind
from nnplug.registry.runtime import Runtime


def write_reports(run: FinishedRun, runtime: Runtime) -> tuple[Path, ...]:
    """Return the reports that the installed reporters write, in the order of their names.

    A reporter that fails costs a warning: the run has its result already.
    """
    written = []
    for name in runtime.registry.names(Kind.REPORTER):
        try:
            written.append(_report(name, run, runtime))
        except NnplugError as error:
            runtime.progress.warning(within("no report of this run: ", error.lines[0]))
    return tuple(written)


def _report(name: str, run: FinishedRun, runtime: Runtime) -> Path:
    reporter = runtime.registry.create(REPORTER, name)
    with attributed(reporter):
        path = reporter.report(run, runtime)
    if not expect(reporter, path, Path).is_file():
        raise broken(reporter, f"gave {path}, which is no file")
    return path
