"""The command `nnplug doctor`: report the limits of this machine."""

from __future__ import annotations

from pathlib import Path

import click

from nnplug.errors import worded
from nnplug_cli.context import Context
from nnplug_cli.options import json_option, workspace_option
from nnplug_cli.remedies import REMEDIES
from nnplug_cli.render import echo, print_json


@click.command(short_help="Report the limits of this machine.")
@workspace_option
@json_option
@click.pass_obj
def command(context: Context, *, workspace: Path | None, as_json: bool) -> None:
    """Report the limits of this machine: plugins, cores, memory, /dev/shm, GPU, bfloat16 and the workspace's disk.

    It measures and writes nothing; `nnplug bench RUN` measures a training.
    """
    from nnplug.profiling.doctor import diagnose

    diagnosis = diagnose(context.workspace_root(workspace), context.plugins)
    if as_json:
        data = diagnosis.data()
        for finding, shown in zip(diagnosis.findings, data["findings"], strict=True):
            shown.update({} if finding.limit is None else {"limit": worded(finding.limit, REMEDIES)})
        print_json(data)
        return
    width = max(len(finding.what) for finding in diagnosis.findings)
    for finding in diagnosis.findings:
        echo(f"{finding.what:<{width}}  {finding.found}")
        if finding.limit is not None:
            echo(f"{'':<{width}}  limits: {worded(finding.limit, REMEDIES)}")
