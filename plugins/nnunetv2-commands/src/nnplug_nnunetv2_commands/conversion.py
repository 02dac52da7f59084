"""Conversion of datasets in other layouts into nnUNet_raw."""

from __future__ import annotations

import re
from pathlib import Path

import click

from nnplug.errors import NnplugError, Problems
from nnplug.registry.components import Kind
from nnplug_nnunetv2_commands.command import Call
from nnplug_nnunetv2_commands.environment import RAW


def convert(call: Call, converter: str, source: Path, name: str, *, workers: int | None = None) -> None:
    """Convert a folder to the dataset `name` of nnUNet_raw, and verify it.

    Raises:
        NnplugError: the name is not in nnU-Net's form, its number is in use, or the source cannot be converted.
        Problems: the source has faults, one line each; the dataset is written nevertheless.
    """
    from nnplug.conversion import convert as stage

    raw = call.environment.folder(RAW)
    if not re.fullmatch(r"Dataset[0-9]{3}_\w+", name):
        raise NnplugError(f"{name}: expected DatasetXXX_NAME, with a number of three digits")
    if taken := sorted(raw.glob(f"{name.partition('_')[0]}_*")):
        raise NnplugError(f"{name}: {taken[0]} has that number; choose another")
    component = call.plugins.registry.create(Kind.CONVERTER, converter)
    executor = call.threads(workers)
    dataset, report = stage.convert(component, source, raw / name, executor=executor, progress=call.progress)
    for line in report.warnings:
        call.progress.warning(line)
    click.echo(str(dataset.folder))
    if report.problems:
        raise Problems(report.problems)
