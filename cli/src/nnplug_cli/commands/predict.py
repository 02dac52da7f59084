"""The command `nnplug predict -i IMAGES -o FOLDER -m MODEL`: segment new images."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from nnplug.registry.components import Kind
from nnplug.runtime.process import Work
from nnplug_cli.choices import RuntimeOptions
from nnplug_cli.context import Context
from nnplug_cli.list_option import ListCommand, ListOption
from nnplug_cli.names import ComponentName
from nnplug_cli.next_step import print_predictions
from nnplug_cli.options import (
    device_option,
    executor_option,
    gathered,
    gpu_memory_option,
    json_option,
    replace_option,
    runtime_options,
    set_option_of,
)
from nnplug_cli.process import prepares_process
from nnplug_cli.render import print_json


@dataclass(frozen=True)
class _Prediction:
    """The models that predict, and their options."""

    models: tuple[Path, ...]
    folds: tuple[str, ...]
    weights: Literal["final", "best"]
    no_mirroring: bool
    inference: str | None
    step_size: float | None
    reader: str | None
    series: tuple[str, ...]
    force: bool


@dataclass(frozen=True)
class _Written:
    """The output folder, the files to store there, and those that may be kept or replaced."""

    output: Path
    types: tuple[str, ...]
    classes: tuple[str, ...]
    statistics: bool
    preview: bool
    report: bool
    save_probabilities: bool
    save_logits: bool
    resume: bool
    replace: bool


@dataclass(frozen=True)
class _Part:
    """The number of this job, and the number of jobs."""

    part: int
    parts: int


@click.command(cls=ListCommand, short_help="Segment new images with a model.")
@click.option(
    "-i",
    "--input",
    "inputs",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER|FILE",
    help="A folder of images CASE_0000, CASE_0001 .., or image files; with nnplug-dicom a folder or zip of a DICOM "
    "series, too; repeatable.",
)
@gathered(
    "written",
    _Written,
    click.option(
        "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="FOLDER", help="The output folder."
    ),
    click.option(
        "-ot",
        "--output-type",
        "types",
        cls=ListOption,
        metavar="NAME ..",
        help="Writers of further files with each label map, such as nifti, bids (nnplug components writer lists them); "
        "--set writer.NAME.KEY=VALUE sets an option of one.",
    ),
    click.option(
        "--classes",
        cls=ListOption,
        metavar="NAME ..",
        help="Keep these classes or regions only; the others become background in all label maps [default: all].",
    ),
    click.option(
        "--statistics",
        is_flag=True,
        help="Also write statistics.json and .csv: volume of each class in mm3, and intensities per channel.",
    ),
    click.option("--preview", is_flag=True, help="Also write previews/CASE.png, slices with the labels over them."),
    click.option(
        "--report",
        is_flag=True,
        help="Also write report.json: inputs and outputs with SHA-256, model, options, versions, device and times.",
    ),
)
@gathered(
    "prediction",
    _Prediction,
    click.option(
        "-m",
        "--model",
        "models",
        multiple=True,
        required=True,
        type=click.Path(path_type=Path),
        metavar="RUN|BUNDLE",
        help="A run, the folder of a configuration's runs, a bundle, or one of a hub (with nnplug-hub "
        "hf:OWNER/NAME@REVISION); several are averaged as an ensemble.",
    ),
    click.option("--fold", "folds", multiple=True, metavar="N|all", help="Only this fold of the model; repeatable."),
    click.option(
        "--weights",
        type=click.Choice(["final", "best"]),
        default="final",
        show_default=True,
        help="The weights to read from a run.",
    ),
    click.option("--no-mirroring", is_flag=True, help="Do not average over mirrored images: faster, a little worse."),
    click.option("--inference", type=ComponentName(Kind.INFERENCE), help="The inference, instead of the model's."),
    click.option(
        "--step-size",
        type=click.FloatRange(0, 1, min_open=True),
        help="Distance of neighbouring windows as a share of the patch size: --set inference.step=.. "
        "[default: the model's, usually 0.5]",
    ),
    click.option(
        "--reader",
        type=ComponentName(Kind.READER),
        help="The reader of the images [default: that of the training, else by the file ending].",
    ),
    click.option(
        "--series",
        multiple=True,
        metavar="ID",
        help="Of folders and archives with several image series, predict this one; repeatable.",
    ),
    click.option("--force", is_flag=True, help="Predict images whose spacing is far from that of the training, too."),
)
@runtime_options(
    device_option, gpu_memory_option, executor_option, set_option_of(Kind.EXECUTOR, Kind.INFERENCE, Kind.WRITER)
)
@click.option("--save-probabilities", is_flag=True, help="Also write CASE.npz with probabilities (C, z, y, x).")
@click.option("--save-logits", is_flag=True, help="Also write CASE.logits.zip, a small file for nnplug ensemble.")
@gathered(
    "part",
    _Part,
    click.option(
        "--part",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        metavar="I",
        help="Predict the cases I, I + N, I + 2 N ..; start one job for each I from 0 to N - 1.",
    ),
    click.option(
        "--parts", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Number of jobs."
    ),
)
@click.option(
    "--continue", "resume", is_flag=True, help="Skip cases that an earlier call finished with the same inputs."
)
@replace_option
@json_option
@click.pass_obj
@prepares_process(Work.PREDICT)
def command(
    context: Context,
    *,
    inputs: tuple[Path, ...],
    written: _Written,
    prediction: _Prediction,
    runtime: RuntimeOptions,
    part: _Part,
    as_json: bool,
) -> None:
    """Segment images; label maps have the geometry and the file type of the images, or are NIfTI for DICOM series.

    If some images cannot be predicted, the others are, and all errors are listed at the end.
    """
    from nnplug.inference.options import PredictOptions
    from nnplug.inference.outputs.writers import choose_writers
    from nnplug.inference.summaries import Summaries
    from nnplug.models.hubs import local_models
    from nnplug.steps.predicting import ImageSource, PredictionRequest, predict_inputs

    if part.part >= part.parts:
        raise click.UsageError(f"--part {part.part} of --parts {part.parts}: parts count from 0 to {part.parts - 1}")
    options = PredictOptions(
        models=local_models(prediction.models, context.plugins.registry),
        folds=prediction.folds or None,
        weights=prediction.weights,
        mirroring=not prediction.no_mirroring,
        step=prediction.step_size,
        inference=prediction.inference,
        inference_options=runtime.settings.get(Kind.INFERENCE, {}),
        save_probabilities=written.save_probabilities,
        save_logits=written.save_logits,
        classes=written.classes,
        writers=choose_writers(
            [name.replace("_", "-") for name in written.types],
            runtime.settings.get(Kind.WRITER, {}),
            context.plugins.registry,
        ),
        resume=written.resume,
        replace=written.replace,
        force=prediction.force,
    )
    source = ImageSource(prediction.reader, prediction.series, part.part, part.parts)
    summaries = Summaries(written.statistics, written.preview, written.report, ("nnplug", *sys.argv[1:]))
    done = predict_inputs(
        PredictionRequest(inputs, written.output, source, summaries), options, context.runtime(runtime)
    )
    if as_json:
        print_json({"output": str(written.output), "cases": list(done.files)})
    else:
        print_predictions(written.output)
