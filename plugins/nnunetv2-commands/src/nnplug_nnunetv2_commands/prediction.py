"""Prediction with a model folder, for both prediction commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nnplug.errors import NnplugError
from nnplug_nnunetv2_commands.command import Call, Options
from nnplug_nnunetv2_commands.models import prediction_model, weights_kind

if TYPE_CHECKING:
    from nnplug.dataset.case_files import CaseFiles
    from nnplug.inference.options import PredictOptions
    from nnplug.models.open import Member, Model
    from nnplug.runtime.progress import Progress


def predict(call: Call, options: Options, folder: Path, *, part: tuple[int, int] = (0, 1)) -> None:
    """Predict the images of a folder, and copy nnU-Net's `plans.json` and `dataset.json` beside the label maps.

    Args:
        call: plugins and progress.
        options: the flags of `flags.prediction`.
        folder: a model folder.
        part: (number, count): predict every count-th of the sorted cases, starting at the number.

    Raises:
        NnplugError: the model or the images cannot be used.
    """
    from nnplug.inference.inputs import find_cases, not_taken
    from nnplug.inference.jobs import predict_cases
    from nnplug.inference.prediction_files import image_inputs
    from nnplug.models.model_components import model_readers
    from nnplug.models.model_files import model_inputs
    from nnplug.runtime.files import copy_file

    if not options.i.is_dir():
        raise NnplugError(f"{options.i}: no such folder; -i is a folder of images CASE_0000, CASE_0001 ..")
    runtime = call.runtime_with(call.threads(), device=options.device or "auto")
    with prediction_model(call, folder, folds=options.f, weights=weights_kind(options.chk)) as named:
        chosen = _with_flags(named, options)
        _check_previous(options, chosen.model.members[0])
        readers = model_readers(chosen.model, call.readers)
        cases = find_cases([options.i], chosen.model.description.file_ending, readers)
        for line in not_taken([options.i], cases, readers):
            call.progress.warning(line)
        number, count = part
        inputs = (*image_inputs(cases), *model_inputs([folder]))
        due = _without_foreign(cases[number::count], chosen.model, options, call.progress)
        if due:
            predict_cases(due, options.o, chosen, runtime, inputs=inputs)
    copy_file(folder / "plans.json", options.o / "plans.json")


def _without_foreign(
    cases: Sequence[CaseFiles], model: Model, options: Options, progress: Progress
) -> Sequence[CaseFiles]:
    """Return the cases without those whose label maps nnplug did not write, if `--continue_prediction` keeps these."""
    from nnplug.runtime import output_log

    if not options.continue_prediction:
        return cases
    logs, foreign = output_log.Logs(), set()
    for case in cases:
        path = options.o / f"{case.name}{model.description.file_ending}"
        if path.is_file() and not output_log.is_one_of(path, logs.of(path)):
            foreign.add(case.name)
    if foreign:
        progress.notice(f"{options.o}: {len(foreign)} label maps that nnplug did not write stay ({min(foreign)}, ..)")
    return [case for case in cases if case.name not in foreign]


def _with_flags(named: PredictOptions, options: Options) -> PredictOptions:
    """Return the options of a prediction with the values of the flags."""
    return replace(
        named,
        mirroring=not options.disable_tta,
        step=options.step_size,
        sums_on_device=not options.not_on_device,
        save_probabilities=options.save_probabilities,
        previous=options.prev_stage_predictions,
        resume=options.continue_prediction,
        replace=True,
        force=options.force,
    )


def _check_previous(options: Options, member: Member) -> None:
    """Raise `NnplugError` if label maps of a previous stage are given for a configuration that has none."""
    folder = options.prev_stage_predictions
    if folder is not None and member.plans.configuration(member.configuration).previous_stage is None:
        raise NnplugError(
            f"-prev_stage_predictions {folder}: {member.configuration} refines no other configuration; leave it out"
        )
