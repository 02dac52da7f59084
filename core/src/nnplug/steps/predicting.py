"""Segment new images with trained models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

from nnplug.dataset.case_files import CaseFiles
from nnplug.errors import InvalidOptions
from nnplug.inference.folder_images import ImageChoice, training_orientations
from nnplug.inference.inputs import find_cases, not_taken
from nnplug.inference.options import PredictOptions
from nnplug.inference.outputs.writers import choose_writers
from nnplug.inference.prediction_files import PredictionFiles, image_inputs, output_description
from nnplug.inference.summaries import Summaries, predict_and_summarize
from nnplug.io.readers import Readers
from nnplug.models.hubs import local_models
from nnplug.models.model_components import model_readers
from nnplug.registry.components import Kind, Registry
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.steps.choices import RuntimeOptions
from nnplug.steps.given import fold_names, names, paths, runtime_options
from nnplug.steps.keywords import PredictKeywords, keywords
from nnplug.steps.session import ProgressArgument, session


@dataclass(frozen=True)
class Predicted:
    """The predictions in a folder.

    Attributes:
        folder: the output folder.
        files: case -> the file of its label map, for the cases of this call.
    """

    folder: Path
    files: Mapping[str, Path]


@keywords(PredictKeywords)
def predict(
    inputs: str | Path | Sequence[str | Path],
    output: str | Path,
    models: str | Path | Sequence[str | Path],
    *,
    progress: ProgressArgument = None,
    plugins: Plugins | None = None,
    **options: Unpack[PredictKeywords],
) -> Predicted:
    """Segment images into a folder; this is `nnplug predict`. `nnplug.Predictor` takes arrays.

    Label maps have the geometry and the file type of the images, or are NIfTI for DICOM series.

    Args:
        inputs: a folder of images CASE_0000, CASE_0001 .., or image files, or several of them.
        output: the output folder.
        models: a run, the folder of a configuration's runs, a bundle, or one of a hub; several are averaged.
        progress: as in `nnplug.run`.
        plugins: the plugins that offer the components; None for the installed ones.
        **options: see `nnplug.steps.keywords.PredictKeywords`.

    Raises:
        Problems: some images cannot be predicted, one line each; the others are.
        NnplugError: there is no such model, or it cannot be used here.
        MissingProvider: a component of a model is not installed; the message has the command for pip.
        InvalidOptions: an option is unknown or its value is invalid.
    """
    machine, part, parts = runtime_options(options), options["part"], options["parts"]
    if part >= parts:
        raise InvalidOptions(f"part {part} of {parts} parts: parts count from 0 to {parts - 1}")
    asked = PredictionRequest(
        paths(inputs),
        Path(output),
        ImageSource(options["reader"], names(options["series"]), part, parts),
        Summaries(options["statistics"], options["preview"], options["report"]),
    )
    with session(machine, progress, plugins) as runtime:
        return predict_inputs(asked, _predict_options(paths(models), options, machine, runtime.registry), runtime)


def _predict_options(
    models: tuple[Path, ...], options: Mapping[str, Any], machine: RuntimeOptions, registry: Registry
) -> PredictOptions:
    """Return the options of the prediction in the keywords."""
    return PredictOptions(
        models=local_models(models, registry),
        folds=tuple(map(str, fold_names(options["folds"]))) or None,
        weights=options["weights"],
        mirroring=options["mirroring"],
        step=options["step_size"],
        inference=options["inference"],
        inference_options=machine.settings.get(Kind.INFERENCE, {}),
        save_probabilities=options["save_probabilities"],
        save_logits=options["save_logits"],
        classes=names(options["classes"]),
        writers=choose_writers(names(options["output_types"]), machine.settings.get(Kind.WRITER, {}), registry),
        resume=options["resume"],
        replace=options["replace"],
        force=options["force"],
    )


@dataclass(frozen=True)
class ImageSource:
    """The choice of images among those of the inputs.

    Attributes:
        reader: the name of their reader; None for that of the training, else by the file ending.
        series: the ids of image series in folders and archives with several.
        part: the number of this call among `parts`.
        parts: the number of calls that share the cases.
    """

    reader: str | None = None
    series: tuple[str, ...] = ()
    part: int = 0
    parts: int = 1


@dataclass(frozen=True)
class PredictionRequest:
    """The images to predict, and the files to write.

    Attributes:
        inputs: folders and files.
        output: the output folder.
        source: the choice among the images of the inputs.
        summaries: the files about label maps.
    """

    inputs: tuple[Path, ...]
    output: Path
    source: ImageSource
    summaries: Summaries


def predict_inputs(asked: PredictionRequest, options: PredictOptions, runtime: Runtime) -> Predicted:
    """Predict the images of folders and files.

    Args:
        asked: the images and the outputs.
        options: the models and settings; the models are paths.
        runtime: plugins, device, executor and progress.

    Raises:
        Problems, NnplugError, MissingProvider: as in `predict`.
    """
    source, inputs = asked.source, tuple(path.absolute() for path in asked.inputs)  # jobs may run in other folders
    readers = model_readers(options.model, Readers.of(runtime.registry), source.reader)
    choice = ImageChoice(source.series, training_orientations(options.model))
    found = find_cases(inputs, options.model.description.file_ending, readers, choice)
    for line in not_taken(inputs, found, readers):
        runtime.progress.warning(line)
    cases: tuple[CaseFiles, ...] = found[source.part :: source.parts]
    if source.parts > 1:  # all jobs write one description, also if the images of one job have one format
        options = replace(options, dataset_json=output_description(options.model.description.raw, found))
    output = asked.output.absolute()
    others = [case for number, case in enumerate(found) if number % source.parts != source.part]
    read = image_inputs(found)
    predict_and_summarize(cases, output, options, asked.summaries, runtime, inputs=read, others=others)
    files = PredictionFiles.chosen(output, options, options.kept)
    return Predicted(output, {case.name: files.of(case)["labels"] for case in cases})
