"""Make the page of `nnplug report`."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from nnplug.registry.runtime import Runtime
from nnplug.selection.request import Selection
from nnplug_report.curves import Chart, draw_curves, read_training
from nnplug_report.find import ReportRequest, find_subject
from nnplug_report.page import render
from nnplug_report.planned import describe_components, describe_configuration, describe_data
from nnplug_report.sections import SHOWN_BYTES, SHOWN_CASES, Room, Section, make_section
from nnplug_report.subject import Result, Subject
from nnplug_report.viewer import ListedCase, label_names, make_viewer


@dataclass(frozen=True)
class Curves:
    """The curves of one configuration, and a sentence on its folds."""

    name: str
    folds: str
    charts: tuple[Chart, ...]


@dataclass(frozen=True)
class Command:
    """A command line of trainings, the trainings, and the versions that they were started with."""

    words: str
    trainings: str
    versions: str
    remarks: tuple[str, ...]


def report_page(request: ReportRequest, runtime: Runtime, command: Sequence[str] = ()) -> str:
    """Return the page of a report.

    Args:
        request: what to report.
        runtime: the plugins, the executor that scores cases, and the progress.
        command: the words of the user's command line, for the page.

    Raises:
        NnplugError: as in `nnplug_report.find.find_subject`.
    """
    subject = find_subject(request, runtime)
    sections, listed = _sections(subject.results, runtime)
    channels = next((result.channels for result in subject.results if result.channels), ())
    classes = tuple(dict.fromkeys(one for result in subject.results for one in result.classes))
    planned = (
        []
        if subject.plans is None
        else [
            describe_configuration(subject.plans, name, channels, subject.fingerprint, runtime.registry)
            for name in subject.configurations or tuple(subject.plans.configurations)
        ]
    )
    values = {
        "title": subject.title,
        "source": str(subject.source),
        "created": datetime.now(UTC).astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        "command": shlex.join(command),
        "missing": (*subject.missing, *(line for section in sections for line in section.failures)),
        "summary": _summary(subject, sections),
        "plans": subject.plans,
        "data": () if subject.plans is None else describe_data(subject.plans, channels, subject.fingerprint),
        "planned": planned,
        "components": () if subject.plans is None else describe_components(subject.plans, runtime.registry),
        "curves": _curves(subject),
        "selection": subject.selection,
        "rule": "" if subject.selection is None else _rule(subject.selection),
        "sections": sections,
        "commands": _commands(subject),
        "labels": label_names(classes),
        "viewer": make_viewer(listed, label_names(classes)) if listed else None,
        "shown": len(listed),
        "number": _number,
    }
    return render("report.html", values, has_viewer=bool(listed))


def _sections(results: Sequence[Result], runtime: Runtime) -> tuple[list[Section], list[ListedCase]]:
    """Return a section per result, which share the room in the page."""
    sections: list[Section] = []
    listed: list[ListedCase] = []
    for result in results:
        room = Room(max(1, SHOWN_CASES // len(results)), SHOWN_BYTES // len(results), len(listed))
        section, cases = make_section(result, room, runtime.progress)
        sections.append(section)
        listed += cases
    return sections, listed


def _summary(subject: Subject, sections: Sequence[Section]) -> tuple[tuple[str, str], ...]:
    """Return the most important numbers, each with its name."""
    told = []
    for section in sections:
        title = f" of {section.result.title}" if len(sections) > 1 else ""
        if not math.isnan(section.mean):
            low, high = section.interval
            told.append((_number(section.mean), f"mean Dice{title}, 95 % interval {_number(low)} to {_number(high)}"))
        told.append((str(len(section.result.cases)), f"cases{title}"))
    if subject.results:
        told.append((str(len(subject.results[0].classes)), "classes or regions"))
    if subject.runs:
        told.append((str(len(subject.runs)), "trainings (folds)"))
    return tuple(told)


def _curves(subject: Subject) -> tuple[Curves, ...]:
    made = []
    names = dict.fromkeys((run.record.plans, run.record.configuration) for run in subject.runs)
    for plans, name in names:
        own = [run for run in subject.runs if (run.record.plans, run.record.configuration) == (plans, name)]
        trainings = [read_training(run) for run in own]
        told = ", ".join(f"{one.name}: {len(one.lines)} epochs" for one in trainings)
        made.append(Curves(name, told, draw_curves(trainings)))
    return tuple(made)


def _commands(subject: Subject) -> tuple[Command, ...]:
    """Return each command line with its versions once, and the trainings that it began."""
    grouped: dict[tuple[str, str], list[str]] = {}
    remarks: dict[tuple[str, str], list[str]] = {}
    for run in subject.runs:
        record = run.record
        versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
        key = (shlex.join(record.command), versions)
        where = f"{record.configuration} fold {record.fold}"
        grouped.setdefault(key, []).append(f"{where} (seed {record.seed}, begun {record.created})")
        told = remarks.setdefault(key, [])
        told += [f"{where}: {change}" for change in record.extended]
        for later in record.continued or ():
            other = ", ".join(f"{name} {version}" for name, version in later.versions.items())
            told.append(f"{where}, from epoch {later.first_epoch}: {other}")
        if record.pretrained is not None:
            told.append(f"{where}: started from the weights of {record.pretrained.model}")
    return tuple(
        Command(words, ", ".join(trainings), versions, tuple(remarks[words, versions]))
        for (words, versions), trainings in grouped.items()
    )


def _rule(selection: Selection) -> str:
    """Return the postprocessing of a selection in words."""
    rule = selection.rule.data()
    return f"{rule['provider']['name']} {rule['rule']}"


def _number(value: Any, digits: int = 3) -> str:
    """Return a number for a table: an empty text for NaN, few digits for large numbers."""
    if value is None or math.isnan(value):
        return ""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.{digits}f}"
