"""Predict many images into a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import numpy as np

from nnplug.arrays import DisposableArray, LabelArray
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.cases import check_channels, check_numbers
from nnplug.dataset.description import DatasetDescription
from nnplug.dataset.sidecars import read_with, state_files
from nnplug.errors import InvalidFile, NnplugError, Problems, within, without_remedy
from nnplug.inference.inputs import check_channel_numbers
from nnplug.inference.loaded import LoadedModel
from nnplug.inference.logits import Logits, background, write_logits
from nnplug.inference.member import LoadedMember
from nnplug.inference.options import PredictOptions
from nnplug.inference.outputs import resume_log
from nnplug.inference.outputs.kept_classes import keep_classes, kept_description, with_kept_classes
from nnplug.inference.outputs.writers import write_further
from nnplug.inference.plausibility import check_size, empty_label_maps, image_warnings, mixed_orientations
from nnplug.inference.predicted_case import predicted_case, predicting_model
from nnplug.inference.prediction_files import PredictionFiles, image_inputs, output_description
from nnplug.inference.probabilities import write_probabilities
from nnplug.inference.stream import LogitsOrLabels, ReadCase, predict_stream
from nnplug.io.images import Geometry, read_geometry, read_image, read_label, write_label
from nnplug.io.placement import check_same_grid, orientation
from nnplug.io.thin_axis import geometry_in_file
from nnplug.models.model_files import refuse_model
from nnplug.models.open import Member, Model
from nnplug.runtime import output_log
from nnplug.runtime.digests import sha256, state_digest
from nnplug.runtime.outputs import claim_folder, write_document
from nnplug.runtime.progress import Progress


def predict_folder(
    model: LoadedModel,
    cases: Sequence[CaseFiles],
    output: Path,
    options: PredictOptions,
    *,
    inputs: Sequence[Path] = (),
    progress: Progress,
) -> None:
    """Predict cases into a folder: CASE with the input's ending, plans.json (of the first member) and dataset.json.

    The writers of the options write further files of each label map.

    For an image that is zero everywhere the result is background, with a notice.

    Args:
        model: a loaded model with one member or several.
        cases: the cases, see `find_cases`.
        output: the folder; it is created if it is missing. Files that nnplug wrote there are replaced.
        options: the options that the model was loaded with.
        inputs: files that must not be overwritten, besides images, weights and label maps of the previous stage.
        progress: receives the progress.

    Raises:
        NnplugError: logits of an ensemble are requested, which has none; a class to keep is unknown; or `output` is the
            folder of a model.
        Problems: files would be lost (see `nnplug.runtime.outputs.Outputs.check`), and nothing is written; or some
            cases failed, a line each with case and cause, and the others are predicted.
    """
    check_outputs(model, options)
    job = _FolderPrediction(model, output, options, progress)
    refuse_model(output)
    finished = job.finished(cases) if options.resume else set()
    missing = [case for case in cases if case.name not in finished]
    plans = model.members[0].member.plans.data()
    described = options.dataset_json or output_description(model.description.raw, cases)
    kept = kept_description(model.description, options.classes)
    dataset = dict(with_kept_classes(described, kept.labels, options.classes))
    read = (*job.inputs(cases), *inputs)
    job.files.outputs(missing, read, plans=plans, dataset=dataset).check(replace=options.replace)
    claim_folder(output)
    write_document(output / "plans.json", plans)
    write_document(output / "dataset.json", dataset)
    job.write_shared_files([case for case in cases if case.name in finished])
    with progress.task("predict", len(cases), done=len(finished)) as advance:
        predict_stream(model, missing, job, scratch=output, logits_behind=True, progress=progress, advance=advance)
    job.report_findings()
    if job.failures:
        raise Problems(job.failures)


def check_outputs(model: Model | LoadedModel, options: PredictOptions) -> None:
    """Raise `NnplugError` if logits of an ensemble are requested, which has none."""
    if options.save_logits and len(model.members) > 1:
        raise NnplugError("an ensemble averages probabilities and has no logits; save those of each model by itself")


@dataclass
class _FolderPrediction:
    """The work of one call of `predict_folder`, a `CaseWork`: it reads images and writes into the folder."""

    model: LoadedModel
    output: Path
    options: PredictOptions
    progress: Progress
    oriented: dict[str, list[str]] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def finished(self, cases: Sequence[CaseFiles]) -> set[str]:
        """Return the names of the cases whose outputs exist and depend on the present inputs and settings."""
        log, logs = resume_log.read(self.output), output_log.Logs()
        noted = [case for case in cases if log.get(case.name) == self._depends_on(case)]
        return {
            case.name for case in noted if all(self._is_whole(case, path, logs) for path in self.files.all_of(case))
        }

    def _is_whole(self, case: CaseFiles, path: Path, logs: output_log.Logs) -> bool:
        """Return whether an output is as nnplug wrote it, or else is readable and fits its image.

        A damaged output is removed, so that it can be written again.
        """
        if not path.is_file():
            return False
        if output_log.is_one_of(path, logs.of(path)):
            return True
        try:
            if path not in self._outputs(case).values():
                return True  # files of writers may be corrected by hand, and only their programs can read them
            if path != self._outputs(case)["labels"]:
                return _is_archive(path)
            return read_label(path, case.readers).geometry.shape == read_geometry(case.images[0], case.readers).shape
        except InvalidFile as error:
            self.progress.warning(f"{case.name}: predicted again, since {without_remedy(error.lines[0])}")
            path.unlink()
            return False

    def read(self, case: CaseFiles, member: LoadedMember) -> ReadCase:
        """Return a preprocessed image, see `CaseWork`."""
        check_channel_numbers(case)
        image = self.model.turned(read_image(case.images, case.readers))
        if member is self.model.members[0]:
            self._warn(case, image.geometry)
        check_channels(image, member.member.description.channel_names, where=case.images[0])
        if not self.options.force:
            check_size(image.geometry, member.member)
        check_numbers(case, image.array)
        if not image.array.any():
            return ReadCase(image.geometry, None)
        own = replace(image, array=image.array.view(DisposableArray))  # read for this member alone
        return ReadCase(image.geometry, member.prepare(own, previous=self._previous(case, image.geometry)))

    def _warn(self, case: CaseFiles, geometry: Geometry) -> None:
        """Report remarks on the files of a case, and an orientation that no training image had."""
        plans = self.model.members[0].member.plans
        for line in image_warnings(geometry, plans):
            self.progress.warning(f"{case.name}: {line}")
        if plans.orientations is None and (own := orientation(geometry)) is not None:
            self.oriented.setdefault(own, []).append(case.name)

    def report_findings(self) -> None:
        """Report images of several orientations, if the model records none of its training, and empty label maps."""
        if (line := mixed_orientations(self.oriented)) is not None:
            self.progress.warning(line)
        if (line := empty_label_maps(self.empty)) is not None:
            self.progress.notice(line)

    def _previous(self, case: CaseFiles, geometry: Geometry) -> LabelArray | None:
        for file in self._previous_files([case]):
            label = read_label(file, case.readers)
            check_same_grid(file, label.geometry, case.images[0], geometry)
            return label.array
        return None

    def needs_logits(self, case: CaseFiles) -> bool:  # noqa: ARG002
        """Return whether probabilities or logits are stored, see `CaseWork`."""
        return self.options.save_probabilities or self.options.save_logits

    def export(self, case: CaseFiles, geometry: Geometry, predicted: LogitsOrLabels) -> None:
        """Write the requested files, and note that the case is finished; see `CaseWork`."""
        if isinstance(predicted, np.ndarray):
            labels = self._write(case, self.model.postprocessed(predicted, geometry), geometry)
        else:
            labels = self._export_logits(case, geometry, predicted)
        if len(predicted) and not labels.any():  # an image that is zero everywhere has its own notice
            self.empty.append(case.name)
        resume_log.note(self.output, case, depends_on=self._depends_on(case))

    def _write(self, case: CaseFiles, labels: LabelArray, geometry: Geometry) -> LabelArray:
        """Write a label map in the format of its image, and with each writer; return it with the kept classes."""
        kept = self._kept
        chosen = keep_classes(labels, kept.labels) if self.options.classes else labels
        write_label(self._outputs(case)["labels"], chosen, geometry, case.readers)
        if further := self.files.further(case):
            written = predicted_case(self.model, case, chosen, geometry, kept)
            write_further(further, self.output, written, predicting_model(self.model, kept))
        return chosen

    def write_shared_files(self, cases: Sequence[CaseFiles]) -> None:
        """Add kept cases to the files that all cases of a writer share, which may be missing or lack a case."""
        for writer in self.options.writers if cases else ():
            if writer.writes_dataset:
                writer.write_shared_files(self.output, cases, predicting_model(self.model, self._kept))

    @cached_property
    def _kept(self) -> DatasetDescription:
        """The `dataset.json` of the model with the labels of the kept classes."""
        return kept_description(self.model.description, self.options.classes)

    def _export_logits(self, case: CaseFiles, geometry: Geometry, outputs: Sequence[Logits]) -> LabelArray:
        files = self._outputs(case)
        labels = self._write(case, self.model.label_map(outputs, geometry), geometry)
        if "probabilities" in files:
            shape = (self.model.description.labels.outputs, *geometry.shape)
            volumes = self.model.probabilities(outputs, geometry, self.output)
            if geometry.moved is not None:
                axis, place = geometry.moved
                volumes = (np.moveaxis(volume, place, axis) for volume in volumes)
                shape = (shape[0], *geometry_in_file(geometry).shape)
            write_probabilities(files["probabilities"], volumes, shape)
        if "logits" in files:
            write_logits(files["logits"], *(outputs or [background(geometry, self.model.description.labels)]))
        return labels

    @contextmanager
    def attempt(self, case: CaseFiles) -> Iterator[None]:
        """Collect errors that users can cause for the report at the end, so that the other cases are predicted."""
        try:
            yield
        except NnplugError as error:
            self.failures += [within(f"{case.name}: ", line) for line in error.lines]
        except (OSError, MemoryError, ValueError, RuntimeError) as error:
            self.failures.append(f"{case.name}: {type(error).__name__}: {' '.join(str(error).splitlines()[:1])}")

    def inputs(self, cases: Sequence[CaseFiles]) -> tuple[Path, ...]:
        """Return every file that is read: images, label maps of the previous stage and weights."""
        stages = [stage for member in self.model.members for stage in member.member.stages]
        weights = [file for stage in stages for file in stage.weights]
        previous = [file for case in cases for file in read_with(self._previous_files([case]), case.readers)]
        return (*image_inputs(cases), *previous, *weights)

    def _previous_files(self, cases: Sequence[CaseFiles]) -> list[Path]:
        """Return the given label maps of the previous stage."""
        folder = self.options.previous
        return [] if folder is None else [folder / self._outputs(case)["labels"].name for case in cases]

    @property
    def files(self) -> PredictionFiles:
        """The names of the files to write."""
        return PredictionFiles.chosen(self.output, self.options, self._kept)

    def _outputs(self, case: CaseFiles) -> dict[str, Path]:
        """Return the files to write for a case."""
        return self.files.of(case)

    def _depends_on(self, case: CaseFiles) -> str:
        """Return a hash of the inputs and of everything else that the outputs depend on."""
        reader = case.readers.entry(case.images[0]).component
        files = state_files([*case.images, *self._previous_files([case])], case.readers)
        return state_digest(files, self._settings if reader.implied else f"{self._settings} {reader.name}")

    @cached_property
    def _settings(self) -> str:
        """Return the models and settings as text."""
        members = [([*map(_identity, m.member.stages)], m.mirror_axes, m.inference) for m in self.model.members]
        rule = None if self.model.rule is None else self.model.rule.record.data()
        written = [writer.data() for writer in self.options.writers]
        everything = [members, rule, self.options.save_probabilities, self.options.save_logits, *written]
        if self.options.classes:  # all classes have no entry, so that digests of older versions stay equal
            everything.append({"classes": self._kept.labels.foreground_names})
        return json.dumps(everything, sort_keys=True)


def _is_archive(path: Path) -> bool:
    """Return True; raise `InvalidFile` for probabilities or logits that are cut short."""
    if not is_zipfile(path):
        raise InvalidFile(f"{path}: is damaged")
    return True


def _identity(member: Member) -> list[Any]:
    """Return everything that the logits of a member depend on; weights by content, since each call unpacks a zip."""
    return [member.plans.digest(), member.configuration, [*map(sha256, member.weights)]]
