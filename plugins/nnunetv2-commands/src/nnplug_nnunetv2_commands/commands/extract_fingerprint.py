"""The command `nnUNetv2_extract_fingerprint`: measure datasets."""

from __future__ import annotations

from argparse import ArgumentParser

from nnplug.runtime.process import Work
from nnplug_cli.process import prepares_process
from nnplug_nnunetv2_commands import flags
from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.preparation import prepare


def main() -> None:
    """Run the command."""
    parser = ArgumentParser("nnUNetv2_extract_fingerprint", description="Measure datasets of nnUNet_raw.")
    flags.datasets(parser)
    flags.extraction(parser, workers_flag="-np")
    flags.talk(parser)
    run(parser, _extract)


@prepares_process(Work.READ_IMAGES)
def _extract(call: Call, options: Options) -> None:
    for reference in options.d:
        prepare(call, reference).extract(
            workers=options.np, verify_first=options.verify_dataset_integrity, clean=options.clean
        )
