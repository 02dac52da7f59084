"""Turn folders of other layouts into datasets, case by case, and verify the result. The source is only read."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from nnplug.contracts import Converter, SourceScan
from nnplug.contracts.attributed.executor import AttributedExecutor
from nnplug.conversion.restore import KEY
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.dataset import Dataset
from nnplug.dataset.description import DatasetDescription
from nnplug.dataset.splits import OWN_SPLITS, write_splits
from nnplug.errors import InvalidFile, NnplugError, Problems
from nnplug.io.readers import Readers, core_readers, readers_or_core
from nnplug.preparation.verify import Report, verify
from nnplug.registry.attribution import attributed, expect
from nnplug.registry.entries import ConverterComponent
from nnplug.runtime.executor import Executor
from nnplug.runtime.files import atomic_folder
from nnplug.runtime.json_files import write_json
from nnplug.runtime.progress import Progress


@dataclass(frozen=True)
class Conversion:
    """The cases to convert and the `dataset.json` to write.

    Attributes:
        scan: the checked scan of the source.
        description: the content of `dataset.json` of the result.
        readers: the readers of the source.
    """

    scan: SourceScan
    description: DatasetDescription
    readers: Readers = field(default_factory=core_readers, repr=False)

    def targets(self, folder: Path) -> Iterator[tuple[CaseFiles, CaseFiles]]:
        """Yield each case of the source with its files in the dataset at `folder`; the same files if in place."""
        for part, cases in (("Tr", self.scan.training), ("Ts", self.scan.unseen)):
            for case in cases:
                own = replace(case, readers=self.readers)
                yield own, own if self.scan.in_place else self._target(case, folder, part)

    def _target(self, case: CaseFiles, folder: Path, part: str) -> CaseFiles:
        ending = self.description.file_ending
        channels = range(len(self.description.channel_names))
        images = tuple(folder / f"images{part}" / f"{case.name}_{channel:04d}{ending}" for channel in channels)
        label = case.label and folder / f"labels{part}" / f"{case.name}{ending}"
        return CaseFiles(case.name, images, label, self.description.readers(self.readers, str(folder)))


def plan_conversion(
    converter: Converter, source: Path, *, readers: Readers | None = None, executor: Executor, progress: Progress
) -> Conversion:
    """Return the cases that `convert` would write. Nothing is written. `readers` are those to choose from.

    Raises:
        InvalidFile: the folder does not have the layout of this converter.
        Problems: files are missing or belong to no case, or two cases have one name.
    """
    if not source.exists():
        raise InvalidFile(f"{source}: no such folder; give the folder to convert")
    with attributed(converter):
        given = converter.scan(source, executor=AttributedExecutor(executor, converter), progress=progress)
    scan = expect(converter, given, SourceScan)
    if problems := [*_missing(scan, source), *_twice(scan), *_unlistable(scan)]:
        raise Problems(problems)
    data = {**_source_labels(scan), **scan.description, "numTraining": len(scan.training), **_listed(scan)}
    description = DatasetDescription.from_data(data, str(source))
    own = readers_or_core(readers)
    description.readers(own, str(source))
    return Conversion(scan, description, own)


def _source_labels(scan: SourceScan) -> dict[str, Any]:
    """Return the entry of `dataset.json` from which `restore` gives the values of the source back, if it is unique."""
    back = {str(new): old for old, new in scan.values.items()}
    return {KEY: back} if back and len(back) == len(scan.values) else {}


def check_source(component: ConverterComponent, source: Path) -> None:
    """Raise `InvalidFile` unless a source is a file or a folder, as the entry of its converter declares."""
    if component.source_ending:
        if source.is_dir() or not source.name.lower().endswith(component.source_ending):
            raise InvalidFile(f"{source}: {component.name} converts a file that ends in {component.source_ending}")
    elif source.is_file():
        raise InvalidFile(f"{source}: is a file; {component.name} converts a folder")


def convert(
    converter: Converter,
    source: Path,
    destination: Path,
    *,
    readers: Readers | None = None,
    executor: Executor,
    progress: Progress,
) -> tuple[Dataset, Report]:
    """Turn a folder into a dataset, one case at a time per worker, and verify the result.

    The dataset is written atomically. Images that stay in place are listed in its `dataset.json`. Faults that the
    verification finds were already in the source.

    Returns:
        The dataset, and the report of its verification.

    Raises:
        NnplugError: `destination` exists or is inside `source`, or as in `plan_conversion`.
        Problems: cases could not be converted; a line each.
    """
    _check_place(source, destination)
    conversion = plan_conversion(converter, source, readers=readers, executor=executor, progress=progress)
    for notice in conversion.scan.notices:
        progress.notice(notice)
    with atomic_folder(destination) as folder:
        if not conversion.scan.in_place:
            _write(converter, conversion, folder, executor, progress)
        write_json(folder / "dataset.json", conversion.description.raw)
        if conversion.scan.folds:
            write_splits(folder / OWN_SPLITS[0], conversion.scan.folds)
    dataset = Dataset.open(destination, readers)
    return dataset, verify(dataset, executor=executor, progress=progress)


def _write(converter: Converter, conversion: Conversion, folder: Path, executor: Executor, progress: Progress) -> None:
    pairs = list(conversion.targets(folder))
    write = partial(_write_case, converter=converter, values=conversion.scan.values)
    with progress.task("convert", len(pairs)) as advance:
        for _ in executor.map(write, pairs, stage="convert", name=_name):
            advance("")


def _write_case(pair: tuple[CaseFiles, CaseFiles], *, converter: Converter, values: Mapping[int, int]) -> None:
    with attributed(converter):
        converter.convert(*pair, values)


def _name(pair: tuple[CaseFiles, CaseFiles]) -> str:
    return pair[0].name


def _check_place(source: Path, destination: Path) -> None:
    if os.path.lexists(destination):  # a broken link counts too
        raise NnplugError(f"{destination}: exists already; give the new dataset's folder, such as Dataset123_Liver")
    if destination.resolve().is_relative_to(source.resolve()):
        raise NnplugError(f"{destination}: lies inside {source}, which must stay as it is; choose another place")


def _missing(scan: SourceScan, source: Path) -> Iterator[str]:
    if not scan.training:
        yield f"{source}: no training cases were found"
    for case in (*scan.training, *scan.unseen):
        for path in _files(case):
            if not path.exists():
                yield f"{path}: is missing; case {case.name!r} needs it"


def _unlistable(scan: SourceScan) -> Iterator[str]:
    """Yield a line for each fault of a scan whose files stay in place."""
    if not scan.in_place:
        return
    if any(old != new for old, new in scan.values.items()):
        yield "files that stay in place keep their label values; the converter must copy them to change values"
    for path in sorted({path for case in (*scan.training, *scan.unseen) for path in _files(case)}):
        if os.path.expandvars(text := str(path.absolute())) != text:
            yield f"{path}: has a variable of the environment in its name, which would be replaced; rename it"


def _listed(scan: SourceScan) -> dict[str, Any]:
    """Return the entries of `dataset.json` that list the files of a scan in place, with absolute paths."""
    if not scan.in_place:
        return {}
    parts = {"dataset": scan.training, "testing": scan.unseen}
    return {key: {case.name: _entry(case) for case in cases} for key, cases in parts.items() if cases}


def _entry(case: CaseFiles) -> dict[str, Any]:
    label = {} if case.label is None else {"label": str(case.label.absolute())}
    return {"images": [str(path.absolute()) for path in case.images], **label}


def _files(case: CaseFiles) -> Iterator[Path]:
    yield from case.images
    if case.label is not None:
        yield case.label


def _twice(scan: SourceScan) -> Iterator[str]:
    for cases in (scan.training, scan.unseen):
        found = defaultdict(list)
        for case in cases:
            found[case.name].append(case.images[0])
        for name, paths in found.items():
            if len(paths) > 1:
                yield f"{' and '.join(map(str, paths))} would both be called {name!r}; rename one or give a pattern"
            if not re.fullmatch(r"\w[\w.+-]*", name):
                yield f"{paths[0]}: case name {name!r} is no plain file name; rename it"
