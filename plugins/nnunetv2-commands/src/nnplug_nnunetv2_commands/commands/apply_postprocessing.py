"""`nnUNetv2_apply_postprocessing`: apply a fitted rule to a folder."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from nnplug_nnunetv2_commands import flags
from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.scoring import describe, read_rule


def main() -> None:
    """Parse and do."""
    parser = ArgumentParser("nnUNetv2_apply_postprocessing", description="Apply postprocessing to label maps.")
    parser.add_argument("-i", type=Path, required=True, help="folder of label maps")
    parser.add_argument("-o", type=Path, required=True, help="folder for the results")
    parser.add_argument("-pp_pkl_file", type=Path, required=True, help="postprocessing.pkl or .json; both hold JSON")
    flags.workers(parser)
    flags.label_files(parser)
    run(parser, _apply)


def _apply(call: Call, options: Options) -> None:
    from nnplug.evaluation import postprocess
    from nnplug.runtime.files import copy_file

    description = describe(options.dataset_json, options.plans_json, options.i)
    rule = read_rule(options.pp_pkl_file, description, call)
    postprocess.apply(options.i, options.o, rule, executor=call.threads(options.np), progress=call.progress)
    copy_file(options.plans_json or options.i / "plans.json", options.o / "plans.json")
    copy_file(options.dataset_json or options.i / "dataset.json", options.o / "dataset.json")
