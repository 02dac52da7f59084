"""The command `nnUNetv2_ensemble`: average the probabilities of several models."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from nnplug.runtime.process import Work
from nnplug_cli.process import prepares_process
from nnplug_nnunetv2_commands import flags
from nnplug_nnunetv2_commands.command import Call, Options, run


def main() -> None:
    """Run the command."""
    parser = ArgumentParser("nnUNetv2_ensemble", description="Average predictions made with --save_probabilities.")
    parser.add_argument("-i", nargs="+", type=Path, required=True, metavar="FOLDER", help="folders of predictions")
    parser.add_argument("-o", type=Path, required=True, help="folder for the results")
    flags.workers(parser)
    parser.add_argument("--save_npz", action="store_true", help="also write CASE.npz of the mean")
    run(parser, _ensemble)


@prepares_process(Work.READ_IMAGES)
def _ensemble(call: Call, options: Options) -> None:
    from nnplug.inference.averaging import ensemble_folders
    from nnplug.registry.runtime import Runtime

    runtime = Runtime(call.plugins, call.threads(options.np), progress=call.progress)
    ensemble_folders(
        options.i,
        options.o,
        save_probabilities=options.save_npz,
        replace=True,
        runtime=runtime,
    )
