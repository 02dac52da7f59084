"""Printing of the findings of verification, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnplug_cli.render import echo

if TYPE_CHECKING:
    from nnplug.preparation.verify import Report


def print_report(report: Report) -> None:
    """Print one line per finding, never wrapped, so that findings can be searched and counted."""
    for kind, lines in (("problem", report.problems), ("warning", report.warnings), ("notice", report.notices)):
        for line in lines:
            echo(f"{kind}: {' '.join(line.splitlines())}")
    counts = f"{len(report.problems)} problems, {len(report.warnings)} warnings"
    echo(f"{report.dataset}: {report.cases} cases read, {counts}")
