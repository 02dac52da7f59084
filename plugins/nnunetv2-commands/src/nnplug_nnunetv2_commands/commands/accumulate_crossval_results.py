"""The command `nnUNetv2_accumulate_crossval_results`: the predictions of all folds in one folder, with scores."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path

from nnplug.errors import NnplugError
from nnplug.runtime.process import Work
from nnplug_cli.process import prepares_process
from nnplug_nnunetv2_commands import flags
from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.environment import PREPROCESSED
from nnplug_nnunetv2_commands.models import find_folder
from nnplug_nnunetv2_commands.scoring import describe, score
from nnplug_nnunetv2_commands.workspace import GROUND_TRUTH


def main() -> None:
    """Run the command."""
    parser = ArgumentParser(
        "nnUNetv2_accumulate_crossval_results", description="Gather and score the predictions of cross-validation."
    )
    parser.add_argument("dataset_name_or_id", help="dataset id or name")
    parser.add_argument("-c", required=True, help="configuration, such as 3d_fullres")
    parser.add_argument("-o", type=Path, help="folder for the results [crossval_results_folds_.. beside the folds]")
    flags.folds(parser)
    flags.training(parser)
    run(parser, _accumulate)


@prepares_process(Work.READ_IMAGES)
def _accumulate(call: Call, options: Options) -> None:
    dataset = call.environment.dataset(options.dataset_name_or_id)
    references = call.environment.folder(PREPROCESSED) / dataset / GROUND_TRUTH
    folder = find_folder(call, options, dataset=dataset, configuration=options.c)
    target = options.o or folder / f"crossval_results_folds_{'_'.join(options.f)}"
    gather(call, folder, options.f, target)
    description = describe(None, None, target)
    score(call, references, target, description, output=target / "summary.json", workers=None, partial=True)


def gather(call: Call, folder: Path, folds: Iterable[str], target: Path) -> None:
    """Copy the validation predictions of a model's folds to one folder, with its plans and dataset.json.

    Raises:
        NnplugError: a fold is not validated, or two folds predicted the same case.
        Problems: a copy would replace other files; see `nnplug.runtime.outputs.Outputs.check`.
    """
    from nnplug.dataset.description import DatasetDescription
    from nnplug.dataset.sidecars import written_with
    from nnplug.evaluation.pairs import label_files
    from nnplug.runtime.files import copy_file
    from nnplug.runtime.json_files import read_json
    from nnplug.runtime.outputs import Outputs

    description = DatasetDescription.read(folder / "dataset.json")
    readers = description.readers(call.readers, str(folder / "dataset.json"))
    found: dict[str, Path] = {}
    for fold in folds:
        place = folder / f"fold_{fold}" / "validation"
        if not (place / "summary.json").is_file():
            raise NnplugError(f"{place}: not validated yet; run nnUNetv2_train for fold {fold}, or leave it out of -f")
        for case, file in label_files(place, (description.file_ending,)).items():
            if case in found:
                raise NnplugError(f"{file}: {found[case].parent} has that case too; give folds of one split")
            found[case] = file
    labels = [written for file in found.values() for written in written_with(file, readers) if written.is_file()]
    files = (folder / "plans.json", folder / "dataset.json", *labels)
    documents = {target / file.name: read_json(file) for file in files[:2]}
    Outputs(tuple(target / file.name for file in files), files, documents).claim(replace=True)
    for file in files:
        copy_file(file, target / file.name)
