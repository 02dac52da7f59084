"""The report that `nnplug run` writes at its end."""

from __future__ import annotations

from pathlib import Path

from nnplug.contracts import FinishedRun
from nnplug.registry.runtime import Runtime
from nnplug_report.find import ReportRequest
from nnplug_report.page import write_page
from nnplug_report.report import report_page

NAME = "report.html"


class HtmlReporter:
    """Writes `report.html` into the folder of the dataset in the workspace."""

    def report(self, run: FinishedRun, runtime: Runtime) -> Path:
        """Write the report of the selection, or else of all trained folds of the plans; return its path.

        Raises:
            NnplugError: a file of the run cannot be read, or the disk is full.
        """
        source = run.selection or run.folder / "runs" / run.plans
        target = run.folder / NAME
        write_page(target, report_page(ReportRequest(source), runtime, run.command))
        return target
