"""The command `nnUNetv2_install_pretrained_model_from_zip`: install models from a zip into nnUNet_results."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

import click

from nnplug_nnunetv2_commands.archives import install
from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.environment import RESULTS


def main() -> None:
    """Run the command."""
    parser = ArgumentParser(
        "nnUNetv2_install_pretrained_model_from_zip", description="Install models from a zip into nnUNet_results."
    )
    parser.add_argument("zip", type=Path, help="a zip that nnUNetv2_export_model_to_zip of nnU-Net or nnplug wrote")
    run(parser, _install)


def _install(call: Call, options: Options) -> None:
    results = call.environment.folder(RESULTS)
    for name in install(options.zip, results, call):
        click.echo(str(results / name))
