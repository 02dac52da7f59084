"""The command `nnUNetv2_apply_postprocessing`: apply a fitted rule to a folder."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from nnplug.runtime.process import Work
from nnplug_cli.process import prepares_process
from nnplug_nnunetv2_commands import flags
from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.scoring import describe, read_rule


def main() -> None:
    """Run the command."""
    parser = ArgumentParser("nnUNetv2_apply_postprocessing", description="Apply postprocessing to label maps.")
    parser.add_argument("-i", type=Path, required=True, help="folder of label maps")
    parser.add_argument("-o", type=Path, required=True, help="folder for the results")
    parser.add_argument("-pp_pkl_file", type=Path, required=True, help="postprocessing.pkl or .json; both hold JSON")
    flags.workers(parser)
    flags.label_files(parser)
    run(parser, _apply)


@prepares_process(Work.READ_IMAGES)
def _apply(call: Call, options: Options) -> None:
    from nnplug.evaluation import postprocess
    from nnplug.runtime.files import copy_file
    from nnplug.runtime.json_files import read_json
    from nnplug.runtime.outputs import Outputs

    description = describe(options.dataset_json, options.plans_json, options.i)
    rule = read_rule(options.pp_pkl_file, description, call)
    copies = {
        options.o / "plans.json": options.plans_json or options.i / "plans.json",
        options.o / "dataset.json": options.dataset_json or options.i / "dataset.json",
    }
    read = (options.pp_pkl_file, *copies.values())
    documents = {target: read_json(source) for target, source in copies.items()}
    Outputs(tuple(copies), read, documents).check(replace=True)
    postprocess.apply(
        options.i,
        options.o,
        rule,
        inputs=read,
        readers=description.readers(call.readers, str(options.i)),
        replace=True,
        executor=call.threads(options.np),
        progress=call.progress,
    )
    for target, source in copies.items():
        copy_file(source, target)
