"""The checks of `nnplug.contracts.Converter`."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from nnplug.contracts import SourceScan
from nnplug.conversion.convert import convert
from nnplug.dataset.dataset import Dataset
from nnplug.errors import NnplugError
from nnplug.preparation.verify import Report
from nnplug.registry.entries import ConverterComponent
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug.testing.check import Checks, ContractBroken, NotChecked, Subject, require

Contents = dict[str, bytes]


def _surveys(subject: Subject) -> None:
    with TemporaryDirectory() as folder:
        source = _example(subject, Path(folder))
        before = _contents(Path(folder) / "source")
        scan = subject.create().scan(source, executor=LocalExecutor(1), progress=Silent())
        require(isinstance(scan, SourceScan), f"the scan is {type(scan).__name__} instead of SourceScan")
        require(len(scan.training) > 1, f"the example has {len(scan.training)} training cases; two or more are asked")
        require(_contents(Path(folder) / "source") == before, "surveying changed the source")


def _converts(subject: Subject) -> None:
    with TemporaryDirectory() as folder:
        source = _example(subject, Path(folder))
        before = _contents(Path(folder) / "source")
        dataset, report = _convert(subject, source, Path(folder) / "Dataset001_Kit", workers=1)
        require(_contents(Path(folder) / "source") == before, "converting changed the source")
        require(not report.problems, f"the converted example has problems: {' '.join(report.problems[:1])}")
        require(report.cases == dataset.description.training_cases, f"{report.cases} cases could be read")


def _is_deterministic(subject: Subject) -> None:
    with TemporaryDirectory() as folder:
        source, results = _example(subject, Path(folder)), []
        for workers in (1, 3):
            place = Path(folder) / f"Dataset00{workers}_Kit"
            _convert(subject, source, place, workers)
            results.append(_contents(place))
    require(results[0] == results[1], "another number of workers gave another dataset")


def _reads_files(subject: Subject) -> None:
    """Raise unless a truncated image and a truncated label map of the source are both refused."""
    for what in ("image", "label map"):
        with TemporaryDirectory() as folder:
            source = _example(subject, Path(folder))
            scan = subject.create().scan(source, executor=LocalExecutor(1), progress=Silent())
            case = scan.training[0]
            file = case.images[0] if what == "image" else case.label
            if file is None or not file.is_file():
                raise NotChecked(f"the {what} of a case of its example is no file")
            file.write_bytes(file.read_bytes()[:16])
            try:
                _, report = _convert(subject, source, Path(folder) / "Dataset001_Kit", workers=1)
            except NnplugError:
                continue
            if scan.in_place and report.problems:  # the files are read when the dataset is verified
                continue
            raise ContractBroken(f"{file.name}, an {what} cut short, was converted without an error")


def _refuses_others(subject: Subject) -> None:
    with TemporaryDirectory() as folder:
        ending = _component(subject).source_ending
        source = Path(folder) / f"empty{ending}" if ending else Path(folder)
        if ending:
            source.touch()
        try:
            subject.create().scan(source, executor=LocalExecutor(1), progress=Silent())
        except NnplugError:
            return
    raise ContractBroken(f"a scan of an empty {'file' if ending else 'folder'} raised no InvalidFile")


def _example(subject: Subject, folder: Path) -> Path:
    """Write the example and return what is converted: its folder, or the file in it with the ending of the entry."""
    source = folder / "source"
    source.mkdir()
    subject.create().example(source)
    if not (ending := _component(subject).source_ending):
        return source
    files = [path for path in source.iterdir() if path.name.lower().endswith(ending)]
    require(len(files) == 1, f"the example has {len(files)} files {ending} in its folder; expected one")
    return files[0]


def _component(subject: Subject) -> ConverterComponent:
    return cast("ConverterComponent", subject.entry.component)


def _convert(subject: Subject, source: Path, place: Path, workers: int) -> tuple[Dataset, Report]:
    return convert(subject.create(), source, place, executor=LocalExecutor(workers), progress=Silent())


def _contents(folder: Path) -> Contents:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


CHECKS: Checks = {
    "surveys its example and writes nothing": _surveys,
    "converts its example into a sound dataset": _converts,
    "reads the files of its source": _reads_files,
    "refuses a folder of another kind": _refuses_others,
    "does not depend on the number of workers": _is_deterministic,
}
