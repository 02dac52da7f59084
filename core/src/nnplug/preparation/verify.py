"""Find all problems of a dataset in one pass, before a training finds them one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from unicodedata import normalize

import numpy as np

from nnplug.dataset.case_files import CaseFiles, case_name, group_channels
from nnplug.dataset.dataset import Dataset
from nnplug.dataset.label_faults import order_faults, same_values
from nnplug.dataset.labels import BACKGROUND
from nnplug.dataset.sidecars import read_with
from nnplug.dataset.splits import Fold
from nnplug.errors import NnplugError
from nnplug.io.thin_axis import thin_axis
from nnplug.preparation.verify_case import CaseFindings, check_case
from nnplug.preparation.verify_folds import patients_as_channels, read_own_splits, split_warnings
from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress
from nnplug.runtime.records import Record
from nnplug.words import by_axis

SIDECARS = (".json", ".raw", ".zraw")
"""Endings of files that may be in a folder of images: spacings of tif, voxels of mhd."""


FAR = 5.0
"""The factor to the median spacing, as the mean over the axes, from which a header is suspicious."""


class Report(Record, frozen=True, kw_only=True):
    """The findings of `verify`. Each is a line with the file and the remedy.

    Attributes:
        dataset: the name of the dataset.
        cases: the number of training cases.
        problems: faults that must be corrected before training.
        warnings: suspicious facts; nothing is changed.
        notices: processing of the data that may be unexpected.
    """

    dataset: str
    cases: int
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    notices: tuple[str, ...]


def verify(dataset: Dataset, *, executor: Executor, progress: Progress) -> Report:
    """Read every training case, and every image of the folder `imagesUn`, and return all findings.

    Args:
        dataset: an opened dataset, so its `dataset.json` is already checked.
        executor: reads the cases in parallel.
        progress: receives the progress.
    """
    names = _name_problems(dataset)
    try:
        cases = dataset.training_cases()
    except NnplugError as error:
        return _report(dataset, (), [*error.lines, *names])
    found = []
    with progress.task("verify", len(cases)) as advance:
        check = partial(check_case, description=dataset.description)
        for findings in executor.map(check, cases, stage="verify", name=attrgetter("name")):
            found.append(findings)
            advance("")
    unlabelled = _unlabelled_findings(dataset, executor, progress)
    splits, wrong = read_own_splits(dataset, [case.name for case in cases])
    patients = patients_as_channels(dataset, cases)
    problems = [*patients, *_count_problems(dataset, cases), *wrong, *([] if patients else names)]
    return _report(dataset, found, problems, splits, unlabelled)


def _unlabelled_findings(dataset: Dataset, executor: Executor, progress: Progress) -> list[CaseFindings]:
    """Return the findings for the images without label maps, and for files beside them that are none."""
    images = dataset.unlabelled_cases()
    named = {path for case in images for path in case.images}
    other = [path for path in _image_files(dataset, dataset.unlabelled_folder.name) if path not in named]
    ending = dataset.description.file_ending
    found = [CaseFindings("", problems=[f"{p}: does not fit CASE_0000{ending}; rename or remove it" for p in other])]
    if images:
        with progress.task("verify images without label maps", len(images)) as advance:
            check = partial(check_case, description=dataset.description)
            for findings in executor.map(check, images, stage="verify", name=attrgetter("name")):
                found.append(findings)
                advance("")
    return found


def _report(
    dataset: Dataset,
    found: Sequence[CaseFindings],
    problems: Iterable[str],
    splits: Sequence[Fold] = (),
    unlabelled: Sequence[CaseFindings] = (),
) -> Report:
    return Report(
        dataset=dataset.name,
        cases=len(found),
        problems=(
            *problems,
            *_label_problems(dataset),
            *(line for case in (*found, *unlabelled) for line in case.problems),
            *_slices_among_volumes(found),
        ),
        warnings=(
            *(line for case in (*found, *unlabelled) for line in case.warnings),
            *_duplicates(found),
            *_absent(dataset, found),
            *_orientations(found),
            *_spacings(found),
            *split_warnings(dataset, {case.name: None if case.problems else case.values for case in found}, splits),
            *_stray_files(dataset),
        ),
        notices=tuple(line for case in found for line in case.notices),
    )


def _name_problems(dataset: Dataset) -> list[str]:
    """Return a line per image file of imagesTr and labelsTr that belongs to no case.

    A dataset that lists its files may have other files there.
    """
    if dataset.description.files is not None:
        return []
    ending = dataset.description.file_ending
    images = _image_files(dataset, "imagesTr")
    cases = group_channels(images, ending)
    fitting = {path for case in cases for path in case.images}
    lines = [f"{p}: does not fit CASE_0000{ending}; rename or remove it" for p in images if p not in fitting]
    names = {case.name for case in cases}
    composed = {form: name for name in names for kind in ("NFC", "NFD") if (form := normalize(kind, name)) not in names}
    for path in _image_files(dataset, "labelsTr"):
        if (name := case_name(path, ending)) is None:
            lines.append(f"{path}: does not fit CASE{ending}; rename or remove it")
        elif name in composed:
            lines.append(
                f"{path}: is the label map of {composed[name]!r}, whose name has its accents in another Unicode form "
                "(archives of macOS differ in it); rename one of them"
            )
        elif name not in names:
            lines.append(f"{path}: has no image; add imagesTr/{name}_0000{ending} or remove it")
    return lines


def _files(dataset: Dataset, name: str) -> list[Path]:
    """Return the sorted files of a folder of the dataset without hidden files and sidecars."""
    folder = dataset.folder / name
    found = [p for p in sorted(folder.iterdir()) if p.is_file()] if folder.is_dir() else []
    images = [path for path in found if case_name(path, dataset.description.file_ending) is not None]
    beside = {*read_with(images, dataset.readers)} - {*images}
    return [p for p in found if not p.name.startswith(".") and p.suffix not in SIDECARS and p not in beside]


def _image_files(dataset: Dataset, name: str) -> list[Path]:
    return [path for path in _files(dataset, name) if dataset.readers.ending(path) is not None]


def _stray_files(dataset: Dataset) -> Iterable[str]:
    """Yield a warning for each folder with files that can be no image; nnU-Net ignores them too."""
    if dataset.description.files is not None:
        return
    for name in ("imagesTr", "labelsTr"):
        stray = [path.name for path in _files(dataset, name) if dataset.readers.ending(path) is None]
        if stray:
            yield f"{dataset.folder / name}: {', '.join(stray)}: no images, left out"


def _count_problems(dataset: Dataset, cases: Sequence[CaseFiles]) -> Iterable[str]:
    said = dataset.description.training_cases
    if said != len(cases):
        yield (
            f"{dataset.folder / 'dataset.json'}: 'numTraining' is {said}, but there are {len(cases)} training cases; "
            f"write {len(cases)}, or add what is missing"
        )


def _duplicates(found: Sequence[CaseFindings]) -> Iterable[str]:
    same = defaultdict(list)
    for case in found:
        same[case.digest or case.name].append(case.name)
    for names in same.values():
        if len(names) > 1:
            yield (
                f"cases {', '.join(names)} have identical images; in training and in validation they make scores "
                f"too good, keep one"
            )


def _label_problems(dataset: Dataset) -> Iterable[str]:
    """Return a line for labels that nothing tells apart, and for an order of regions that loses labels."""
    labels, where = dataset.description.labels, dataset.folder / "dataset.json"
    regions = {name: values for name, values in labels.values.items() if values != BACKGROUND}
    found = [*same_values(labels.values)]
    if labels.regions_class_order is not None and not found:
        found += order_faults(regions, labels.regions_class_order)
    return [f"{where}: {line}" for line in found]


def _slices_among_volumes(found: Sequence[CaseFindings]) -> Iterable[str]:
    """Yield a line per case of one sagittal or coronal slice in a dataset of volumes, whose axes would be exchanged."""
    shapes = {case.name: case.shape for case in found if case.shape is not None}
    if all(thin_axis(shape) is not None for shape in shapes.values()):
        return
    for name, shape in shapes.items():
        if thin_axis(shape) in (1, 2):
            yield (
                f"case {name!r} is one slice of shape {shape} (z, y, x), others are volumes; an image needs more than "
                "one voxel in y and x"
            )


def _spacings(found: Sequence[CaseFindings]) -> Iterable[str]:
    """Yield a warning per case whose spacing is far from the median, as in another unit."""
    spacings = {case.name: case.spacing for case in found if case.spacing is not None}
    if len(spacings) < 3:
        return
    median = np.median(list(spacings.values()), axis=0)
    for name, spacing in spacings.items():
        factor = float(np.exp(np.log(np.divide(spacing, median)).mean()))
        if not 1 / FAR <= factor <= FAR:
            shown, usual = by_axis(spacing), by_axis(median)
            yield (
                f"case {name!r} has spacing {shown} mm (z, y, x), the median of the dataset is {usual} mm; check the "
                "unit in its header"
            )


def _orientations(found: Sequence[CaseFindings]) -> Iterable[str]:
    """Yield a warning if the axes of the images point to different sides; networks get them as they are stored."""
    seen = defaultdict(list)
    for case in found:
        if case.orientation is not None:
            seen[case.orientation].append(case.name)
    if len(seen) > 1:
        counts = sorted(seen.items(), key=lambda item: -len(item[1]))
        listed = ", ".join(f"{name} x {len(cases)}" for name, cases in counts)
        few, rare = counts[-1]
        yield (
            f"the axes of the images are stored in {len(seen)} orientations: {listed} (such as {few}: {rare[0]}); a "
            "network gets them as they are stored. Save all in one, or name a reader that turns them"
        )


def _absent(dataset: Dataset, found: Sequence[CaseFindings]) -> Iterable[str]:
    if any(case.problems for case in found):
        return  # their label maps may have it
    seen = {value for case in found for value in case.values}
    for name, values in dataset.description.labels.values.items():
        if seen and not seen.intersection(values):
            numbers = ", ".join(map(str, values))
            yield f"label {name!r} ({numbers}) occurs in no case; a network cannot learn it. Remove it or add cases."
