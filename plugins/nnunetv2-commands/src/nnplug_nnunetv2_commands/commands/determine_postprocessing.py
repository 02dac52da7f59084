"""The command `nnUNetv2_determine_postprocessing`: fit the removal of small components."""

from __future__ import annotations

import shutil
from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING

from nnplug.runtime.process import Work
from nnplug_cli.process import prepares_process
from nnplug_nnunetv2_commands import flags
from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.scoring import POSTPROCESSOR, RULES, describe, read_rule, score, write_rule

if TYPE_CHECKING:
    from nnplug.dataset.description import DatasetDescription


def main() -> None:
    """Run the command."""
    parser = ArgumentParser("nnUNetv2_determine_postprocessing", description="Fit postprocessing to predictions.")
    parser.add_argument("-i", type=Path, required=True, help="folder of predictions")
    parser.add_argument("-ref", type=Path, required=True, help="folder of references")
    flags.label_files(parser)
    flags.workers(parser)
    parser.add_argument("--remove_postprocessed", action="store_true", help="do not keep the postprocessed label maps")
    run(parser, _determine)


@prepares_process(Work.READ_IMAGES)
def _determine(call: Call, options: Options) -> None:
    from nnplug.evaluation import postprocess
    from nnplug.plans.plans import Choice

    _check_places(call, options)
    description = describe(options.dataset_json, options.plans_json, options.i)
    if not (summary := options.i / "summary.json").is_file():
        score(call, options.ref, options.i, description, output=summary, workers=options.np, partial=False)
    record = postprocess.fit(
        options.ref,
        options.i,
        description,
        call.runtime_with(call.threads(options.np)),
        choice=Choice(name=POSTPROCESSOR),
    )
    write_rule(options.i, record.rule)
    shutil.rmtree(options.i / "postprocessed", ignore_errors=True)
    if not options.remove_postprocessed:
        _postprocess(call, options, description)


def _check_places(call: Call, options: Options) -> None:
    """Raise unless the files to write differ from the inputs: `postprocessed` is made again, and rules are written."""
    from nnplug.dataset.sidecars import images_in
    from nnplug.runtime.outputs import Outputs, check_folder

    files = [file for file in (options.dataset_json, options.plans_json) if file is not None]
    read = (*images_in(options.ref, call.readers), *files)
    Outputs(tuple(options.i / name for name in RULES), read).check(replace=True)
    check_folder(options.i / "postprocessed", [options.ref, *files])


def _postprocess(call: Call, options: Options, description: DatasetDescription) -> None:
    """Write the postprocessed label maps and their scores, as nnU-Net does."""
    from nnplug.evaluation import postprocess

    target = options.i / "postprocessed"
    rule = read_rule(options.i / "postprocessing.json", description, call)
    postprocess.apply(
        options.i,
        target,
        rule,
        readers=description.readers(call.readers, str(options.i)),
        replace=True,
        executor=call.threads(options.np),
        progress=call.progress,
    )
    output = target / "summary.json"
    score(call, options.ref, target, description, output=output, workers=options.np, partial=False)
