"""The command `nnUNetv2_evaluate_simple`: score a folder with a list of labels."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import TYPE_CHECKING

from nnplug.runtime.process import Work
from nnplug_cli.process import prepares_process
from nnplug_nnunetv2_commands import flags
from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.scoring import score_as_asked

if TYPE_CHECKING:
    from nnplug.dataset.description import DatasetDescription
    from nnplug.io.readers import Readers


def main() -> None:
    """Run the command."""
    parser = ArgumentParser("nnUNetv2_evaluate_simple", description="Score label maps against references, by labels.")
    flags.scoring(parser)
    parser.add_argument("-l", type=flags.at_least(1), nargs="+", required=True, metavar="LABEL", help="label values")
    parser.add_argument("-il", type=flags.at_least(1), metavar="LABEL", help="label of the references to ignore")
    run(parser, _evaluate)


@prepares_process(Work.READ_IMAGES)
def _evaluate(call: Call, options: Options) -> None:
    score_as_asked(call, options, _describe(call.readers, options))


def _describe(readers: Readers, options: Options) -> DatasetDescription:
    """Return a description with the labels to score and the file ending of the references."""
    from nnplug.dataset.description import DatasetDescription
    from nnplug.dataset.labels import BACKGROUND, Labels
    from nnplug.evaluation.pairs import reference_files

    files = reference_files(options.gt_folder, readers)
    file = next(iter(files.values()))
    labels = Labels({"background": BACKGROUND, **{str(value): (value,) for value in options.l}}, ignore=options.il)
    return DatasetDescription(
        channel_names=("image",),
        labels=labels,
        file_ending=readers.ending(file) or file.suffix,
        training_cases=len(files),
        files=None,
        raw={},
    )
