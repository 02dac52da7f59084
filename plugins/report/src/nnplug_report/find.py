"""Find what a report is about: a selection, trainings, or a folder of predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnplug.dataset.dataset import Dataset
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import NnplugError
from nnplug.evaluation.evaluate import evaluate_folder
from nnplug.evaluation.pairs import find_description, label_files
from nnplug.io.readers import Readers
from nnplug.plans.fingerprint import Fingerprint
from nnplug.plans.plans import Plans, read_plans
from nnplug.registry.runtime import Runtime
from nnplug.runtime.json_files import read_json
from nnplug.selection.request import RECORD, Selection
from nnplug.workspace.layout import run_folders
from nnplug.workspace.runs import TrainedRun, find_runs, open_run
from nnplug_report.images import images_in, listed_images
from nnplug_report.subject import Case, LabelClass, Result, Subject, classes_of

_SUMMARY = "summary.json"
_FINGERPRINT = "fingerprint.json"
_RUNS, _CROSSVAL = "runs", "crossval"


@dataclass(frozen=True)
class ReportRequest:
    """The source of a report, and where its images and references are.

    Attributes:
        source: a run, a folder of runs, the folder of a dataset in a workspace, a selection, or predictions.
        images: a folder of images CASE_0000; None to find them beside the references.
        references: a folder of references for predictions; None if they have none, or a summary.
    """

    source: Path
    images: Path | None = None
    references: Path | None = None


def find_subject(request: ReportRequest, runtime: Runtime) -> Subject:
    """Return the subject of a report.

    Raises:
        NnplugError: the path does not exist, or has no run, selection or predictions; or a file cannot be read.
    """
    source = request.source
    if not source.exists():
        raise NnplugError(f"{source}: no such file or folder; {_EXPECTED}")
    finder = _Finder(request, runtime, Readers.of(runtime.registry))
    if (record := _selection_file(source)) is not None:
        return finder.selection(record)
    if runs := _runs(source):
        return finder.trainings(runs)
    if source.is_dir():
        return finder.predictions()
    raise NnplugError(f"{source}: is a file; {_EXPECTED}")


_EXPECTED = "give a run, a folder of runs, a selection (crossval/selection.json) or a folder of predictions"


def _selection_file(source: Path) -> Path | None:
    places = (source, source / RECORD, source / _CROSSVAL / RECORD)
    return next((place for place in places if place.name == RECORD and place.is_file()), None)


def _runs(source: Path) -> tuple[TrainedRun, ...]:
    """Return the runs in a folder: a run, the folds of a configuration, or all configurations of plans or a dataset."""
    if (source / "run.json").is_file():
        return (open_run(source),)
    below = [source, *sorted(source.glob("*")), *sorted(source.glob("*/*")), *sorted((source / _RUNS).glob("*/*"))]
    folders = [folder for folder in dict.fromkeys(below) if folder.is_dir() and run_folders(folder)]
    return tuple(run for folder in folders for run in find_runs(folder))


@dataclass(frozen=True)
class _Finder:
    request: ReportRequest
    runtime: Runtime
    readers: Readers
    _found: dict[Path | None, Mapping[str, tuple[Path, ...]]] = field(default_factory=dict)
    """Dataset -> case -> images, each dataset listed once."""

    def selection(self, record: Path) -> Subject:
        """Return the subject of a selection: its comparison, and the cases of the winner."""
        selection = Selection.read(record)
        workspace = record.parent.parent
        best = next(entry for entry in selection.entries if entry.name == selection.best)
        runs = tuple(run for name in best.members for run in self._members(workspace, name, selection.folds))
        folder = record.parent / Path(best.folder).name
        origin = f"Every case was predicted by a fold that was not trained on it ({best.name}, before postprocessing)."
        missing = () if runs else (f"The runs of {best.name} are not in {workspace / _RUNS}: there are no curves.",)
        results, absent = self._summarised(folder, best.name, origin, self._description(runs))
        return Subject(
            title=f"{selection.dataset}: selection",
            source=self.request.source,
            runs=runs,
            plans=read_plans(runs[0].folder.plans) if runs else None,
            configurations=_chain(runs),
            results=results,
            selection=selection,
            fingerprint=_fingerprint(workspace),
            missing=(*missing, *absent),
        )

    def trainings(self, runs: Sequence[TrainedRun]) -> Subject:
        """Return the subject of runs: their curves, and the validated cases of each configuration."""
        results: list[Result] = []
        missing: list[str] = []
        names = dict.fromkeys((run.record.plans, run.record.configuration) for run in runs)
        for plans, name in names:
            own = [run for run in runs if (run.record.plans, run.record.configuration) == (plans, name)]
            found, absent = self._validated(own, name)
            results += found
            missing += absent
        first = runs[0]
        workspace = next((place for place in first.folder.path.parents if (place / _FINGERPRINT).is_file()), None)
        folds = f" fold {first.fold}" if len(runs) == 1 else ""
        configurations = ", ".join(dict.fromkeys(run.record.configuration for run in runs))
        return Subject(
            title=f"{first.record.dataset}: {configurations}{folds}",
            source=self.request.source,
            runs=tuple(runs),
            plans=read_plans(first.folder.plans),
            configurations=_chain(runs),
            results=tuple(results),
            fingerprint=None if workspace is None else _fingerprint(workspace),
            missing=tuple(missing),
        )

    def predictions(self) -> Subject:
        """Return the subject of a folder of predictions, scored if there is a summary or a folder of references."""
        folder = self.request.source
        description = find_description(None, folder)
        plans = folder / "plans.json"
        results, missing = self._predicted(folder, description)
        return Subject(
            title=f"Predictions in {folder.resolve().name}",
            source=folder,
            plans=_readable_plans(plans),
            results=results,
            missing=missing,
        )

    def _members(self, workspace: Path, name: str, folds: Sequence[str]) -> tuple[TrainedRun, ...]:
        """Return the runs of a member of a selection, "CONFIGURATION" or "PLANS:CONFIGURATION"."""
        plans, _, configuration = name.rpartition(":")
        folders = sorted((workspace / _RUNS).glob(f"{plans or '*'}/{configuration}"))
        found = [run for folder in folders for run in find_runs(folder) if run_folders(folder)]
        return tuple(run for run in found if run.fold in folds)

    def _description(self, runs: Sequence[TrainedRun]) -> DatasetDescription | None:
        return DatasetDescription.read(runs[0].folder.description) if runs else None

    def _validated(self, runs: Sequence[TrainedRun], name: str) -> tuple[tuple[Result, ...], tuple[str, ...]]:
        """Return the result of the validated folds of a configuration, and what is missing."""
        missing: list[str] = []
        entries: list[Mapping[str, Any]] = []
        for run in runs:
            where = f"{name} fold {run.fold}"
            if not run.folder.is_finished:
                missing.append(f"{where} is not trained to its end.")
            if not run.record.validation:
                missing.append(f"{where} has no validation cases: it was trained on all cases, so it has no scores.")
            elif not (run.folder.validation / _SUMMARY).is_file():
                missing.append(f"{where} is not validated: it has no scores yet.")
            else:
                entries += read_json(run.folder.validation / _SUMMARY)["metric_per_case"]
        if not entries:
            return (), tuple(missing)
        origin = "The cases were predicted by the validation of the folds, without cases that they were trained on."
        return self._result(name, origin, entries, self._description(runs), missing)

    def _summarised(
        self, folder: Path, title: str, origin: str, description: DatasetDescription | None
    ) -> tuple[tuple[Result, ...], tuple[str, ...]]:
        if not (folder / _SUMMARY).is_file():
            return (), (f"{folder / _SUMMARY} is missing: there are no scores of cases.",)
        entries = read_json(folder / _SUMMARY)["metric_per_case"]
        return self._result(title, origin, entries, description, [])

    def _predicted(
        self, folder: Path, description: DatasetDescription | None
    ) -> tuple[tuple[Result, ...], tuple[str, ...]]:
        title = folder.resolve().name
        if (folder / _SUMMARY).is_file() and self.request.references is None:
            origin = f"The scores are those of {_SUMMARY} in the folder of the predictions."
            return self._summarised(folder, title, origin, description)
        if self.request.references is not None:
            evaluation = evaluate_folder(
                self.request.references,
                folder,
                description,
                executor=self.runtime.executor,
                progress=self.runtime.progress,
                partial=True,
                readers=self.readers,
            )
            origin = f"The references are in {self.request.references}."
            entries = evaluation.summary["metric_per_case"]
            return self._result(title, origin, entries, description, list(evaluation.failures))
        readers = self.readers if description is None else description.readers(self.readers, str(folder))
        endings = readers.endings if description is None else (description.file_ending,)
        found = label_files(folder, endings)
        cases = tuple(Case(name, path, images=self._images(name, description)) for name, path in found.items())
        missing = ["There are no references: the report has volumes, and no scores."]
        classes = _classes(description, ()) or self._counted(tuple(found.values()), readers)
        result = Result(title, cases, classes, _channels(description), readers, "The cases have no references.")
        return (result,), (*missing, *self._imageless(cases))

    def _result(
        self,
        title: str,
        origin: str,
        entries: Sequence[Mapping[str, Any]],
        description: DatasetDescription | None,
        missing: list[str],
    ) -> tuple[tuple[Result, ...], tuple[str, ...]]:
        readers = self.readers if description is None else description.readers(self.readers, "dataset.json")
        cases = []
        for entry in entries:
            prediction, reference = Path(entry["prediction_file"]), Path(entry["reference_file"])
            ending = readers.ending(prediction) or prediction.suffix
            name = prediction.name[: -len(ending)]
            images = self._images(name, description, reference)
            cases.append(Case(name, prediction, reference, images, entry["metrics"]))
        cases.sort(key=lambda case: case.name)
        keys = tuple(dict.fromkeys(key for case in cases for key in case.scores))
        result = Result(title, tuple(cases), _classes(description, keys), _channels(description), readers, origin)
        return (result,), (*missing, *self._imageless(cases))

    def _images(
        self, name: str, description: DatasetDescription | None, reference: Path | None = None
    ) -> tuple[Path, ...]:
        """Return the images of a case: in the folder of the user, or else in the dataset of its reference."""
        if self.request.images is None and (listed := listed_images(name, description, reference)):
            return listed
        dataset = None if reference is None else reference.parent.parent
        if dataset not in self._found:
            self._found[dataset] = self._known_images(description, dataset)
        return self._found[dataset].get(name, ())

    def _known_images(
        self, description: DatasetDescription | None, dataset: Path | None
    ) -> Mapping[str, tuple[Path, ...]]:
        if self.request.images is not None:
            return images_in(self.request.images, description, self.readers)
        if dataset is None or not (dataset / "dataset.json").is_file():
            return {}
        try:
            opened = Dataset.open(dataset, self.readers)
            return {case.name: case.images for case in opened.training_cases()}
        except NnplugError:  # a folder of that name that is no dataset
            return {}

    def _imageless(self, cases: Sequence[Case]) -> tuple[str, ...]:
        without = [case.name for case in cases if not case.images]
        if not without:
            return ()
        count = f"{len(without)} of {len(cases)} cases"
        line = f"The images of {count} were not found (first {without[0]}); their label maps are shown alone."
        return (f"{line} The option -i FOLDER names the folder of images.",)

    def _counted(self, files: Sequence[Path], readers: Readers) -> tuple[LabelClass, ...]:
        import numpy as np

        from nnplug.io.images import read_label

        values = {int(value) for file in files for value in np.unique(read_label(file, readers).array)} - {0}
        return tuple(LabelClass(str(value), f"label {value}", (value,)) for value in sorted(values))


def _classes(description: DatasetDescription | None, keys: Sequence[str]) -> tuple[LabelClass, ...]:
    if description is not None:
        return classes_of(description)
    return tuple(LabelClass(key, f"label {key}", (int(key),)) for key in keys if key.isdecimal())


def _channels(description: DatasetDescription | None) -> tuple[str, ...]:
    return () if description is None else description.channel_names


def _chain(runs: Sequence[TrainedRun]) -> tuple[str, ...]:
    """Return the configurations of runs, each after its previous stages."""
    if not runs:
        return ()
    plans = read_plans(runs[0].folder.plans)
    known = [run.record.configuration for run in runs if run.record.configuration in plans.configurations]
    return tuple(dict.fromkeys(stage for name in known for stage in plans.chain(name)))


def _fingerprint(workspace: Path) -> Fingerprint | None:
    path = workspace / _FINGERPRINT
    return Fingerprint.read(path) if path.is_file() else None


def _readable_plans(path: Path) -> Plans | None:
    try:
        return read_plans(path) if path.is_file() else None
    except NnplugError:  # plans of another program beside its predictions
        return None
