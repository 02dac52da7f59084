"""Printing of the findings of verification, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnplug_cli.render import counted, echo, echo_message

if TYPE_CHECKING:
    from nnplug.preparation.verify import Report


def print_report(report: Report) -> None:
    """Print one message per finding; without a terminal each is one line, to be searched and counted."""
    for kind, lines in (("problem", report.problems), ("warning", report.warnings), ("notice", report.notices)):
        for line in lines:
            echo_message(f"{kind}: {line}")
    found = f"{counted(len(report.problems), 'problem')}, {counted(len(report.warnings), 'warning')}"
    echo(f"{report.dataset}: {counted(report.cases, 'case')} read, {found}")
