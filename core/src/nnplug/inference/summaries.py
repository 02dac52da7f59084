"""Predict cases, and write tables, pictures and a report about their label maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from nnplug.dataset.case_files import CaseFiles
from nnplug.errors import Problems
from nnplug.evaluation.statistics_tables import CSV, JSON, write_statistics
from nnplug.inference.jobs import check_prediction, predict_checked
from nnplug.inference.options import PredictOptions
from nnplug.inference.outputs import resume_log
from nnplug.inference.prediction_files import PredictionFiles, image_inputs
from nnplug.inference.prediction_report import REPORT, ReportedCall
from nnplug.models.model_files import model_inputs
from nnplug.pictures.preview_folder import preview_file, write_previews
from nnplug.registry.runtime import Runtime
from nnplug.runtime.outputs import Outputs


@dataclass(frozen=True)
class Summaries:
    """The files to write about predictions, besides their label maps.

    Attributes:
        statistics: whether to write statistics.json and statistics.csv, see `nnplug.evaluation.statistics_tables`.
        previews: whether to write previews/CASE.png, see `nnplug.pictures.preview_folder`.
        report: whether to write report.json, see `nnplug.inference.prediction_report`.
        command: the words of the command line, for the report; empty from Python.
    """

    statistics: bool = False
    previews: bool = False
    report: bool = False
    command: tuple[str, ...] = ()

    def outputs(self, output: Path, cases: Sequence[CaseFiles]) -> tuple[Path, ...]:
        """Return every file that is written."""
        tables = [*([JSON, CSV] if self.statistics else []), *([REPORT] if self.report else [])]
        pictures = [file for case in cases for file in self.of_case(output, case)]
        return (*(output / name for name in tables), *pictures)

    def of_case(self, output: Path, case: CaseFiles) -> tuple[Path, ...]:
        """Return the files that are written about one case alone."""
        return (preview_file(output, case),) if self.previews else ()


def predict_and_summarize(
    cases: Sequence[CaseFiles],
    output: Path,
    options: PredictOptions,
    summaries: Summaries,
    runtime: Runtime,
    *,
    inputs: Sequence[Path] = (),
    others: Sequence[CaseFiles] = (),
) -> None:
    """Predict cases into a folder, then write statistics, previews and a report of those that are finished.

    Tables keep the cases of other calls, so that several processes may predict parts of the images into one folder.

    Args:
        cases: the cases, see `find_cases`.
        output: the folder.
        options: models and settings.
        summaries: the files to write.
        runtime: plugins, device and executor.
        inputs: files that must not be overwritten, besides the images of the cases and the models.
        others: cases that other jobs predict into the folder.

    Raises:
        NnplugError, MissingProvider, Problems: as in `predict_cases`. Lines of cases that cannot be measured or drawn
            follow those of cases that cannot be predicted.
    """
    described = check_prediction(cases, output, options, runtime, inputs=inputs, others=others)
    read = (*inputs, *image_inputs(cases), *model_inputs(options.models))
    written = Outputs(summaries.outputs(output, cases), read)
    written.check(replace=options.replace)
    call = ReportedCall.begin(cases, output, options, runtime, summaries.command)
    lines: list[str] = []
    with _collected(lines):
        predict_checked(cases, output, options, runtime, described=described)
    written.claim(replace=options.replace)
    files, log = PredictionFiles.chosen(output, options, options.kept), resume_log.read(output)
    made = [replace(case, label=files.of(case)["labels"]) for case in cases if log.get(case.name)]
    for write in _steps(summaries):
        with _collected(lines):
            write(made, output, options.kept, executor=runtime.executor, progress=runtime.progress)
    if summaries.report:
        call.write(made, [(*files.all_of(case), *summaries.of_case(output, case)) for case in made], lines)
    if lines:
        raise Problems(lines)


def _steps(summaries: Summaries) -> Iterator[Callable[..., None]]:
    """Yield the functions that write about label maps."""
    if summaries.statistics:
        yield write_statistics
    if summaries.previews:
        yield write_previews


@contextmanager
def _collected(lines: list[str]) -> Iterator[None]:
    """Append the lines of `Problems`, so that the other cases are summarised."""
    try:
        yield
    except Problems as error:
        lines += error.lines
