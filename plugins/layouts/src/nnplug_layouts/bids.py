"""The component `bids` of kind converter: a BIDS dataset with label maps in a derivative."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nnplug.contracts import Converter, SourceScan
from nnplug.conversion.write_case import write_case
from nnplug.dataset.case_files import CaseFiles
from nnplug.errors import InvalidFile, Line, Problems
from nnplug.io.images import read_voxels
from nnplug.remedies import Action
from nnplug.runtime.executor import Executor
from nnplug.runtime.files import write_text
from nnplug.runtime.json_files import write_json
from nnplug.runtime.progress import Progress
from nnplug_layouts.bids_files import BidsFile, bids_files, fitting_image, read_names
from nnplug_layouts.description import channel_names, common_ending
from nnplug_layouts.example import write_images
from nnplug_layouts.values import class_values

LABELS = "dseg"
"""The suffix of label maps."""


@dataclass(frozen=True, kw_only=True)
class Bids(Converter):
    """A converter of `sub-01/anat/sub-01_T1w.nii.gz` with `derivatives/NAME/sub-01/anat/sub-01_dseg.nii.gz`.

    No file is copied: `dataset.json` lists the files where they are.

    Attributes:
        suffixes: the suffixes of the channels, such as ["T1w", "FLAIR"]; by default the only one.
        derivative: the name of the folder in derivatives; by default the only one with label maps.
        channels: the channels' names, which select their normalisation; by default the suffixes.
        classes: class name -> value in the label maps; by default those of dseg.tsv, or every value that occurs.
        copy: whether images and label maps are copied, which can change label values.
    """

    suffixes: tuple[str, ...] = ()
    derivative: str = ""
    channels: tuple[str, ...] = ()
    classes: Mapping[str, int] = field(default_factory=dict)
    copy: bool = False

    def scan(self, source: Path, *, executor: Executor, progress: Progress) -> SourceScan:
        """Return the cases and `dataset.json`; see `nnplug.contracts.Converter`.

        Raises:
            InvalidFile: the folder has no label maps, or several derivatives or suffixes of which none is chosen.
            Problems: label maps have no image or several; a line each.
        """
        images, derivative = bids_files(source), self._derivative(source)
        labels = [file for file in bids_files(derivative) if file.suffix == LABELS]
        suffixes = self.suffixes or _only_suffix(source, images, labels)
        training = _training(labels, images, suffixes)
        unseen = _unseen(images, suffixes, {label.session for label in labels})
        named = self.classes or _named(derivative, labels)
        paths = [label.path for label in labels]
        values = class_values(named, paths, copied=self.copy, executor=executor, progress=progress)
        count = sum(len(read_voxels(file)[0]) for file in training[0].images)
        own = self.channels or (suffixes if count == len(suffixes) else ())
        channels, wrong = channel_names(own, count, training[0].images)
        if faults := [*values.faults(derivative), *wrong]:
            raise Problems(faults)
        description = {
            "channel_names": channels,
            "labels": values.labels,
            "file_ending": common_ending(training, copied=self.copy),
        }
        return SourceScan(description, training, unseen, values.changes, in_place=not self.copy)

    def convert(self, case: CaseFiles, target: CaseFiles, values: Mapping[int, int]) -> None:
        """See `nnplug.contracts.Converter`."""
        write_case(case, target, values)

    def example(self, folder: Path) -> None:
        """Write two subjects with a label map and one without."""
        write_json(folder / "dataset_description.json", {"Name": "Example", "BIDSVersion": "1.10.0"})
        labels = folder / "derivatives" / "manual"
        write_text(labels / "dseg.tsv", "index\tname\n1\torgan\n2\ttumour\n")
        for number, name in enumerate(("sub-01", "sub-02", "sub-03")):
            label = labels / name / "anat" / f"{name}_dseg.nii.gz"
            write_images(folder / name / "anat" / f"{name}_T1w.nii.gz", label if number < 2 else None, number)

    def _derivative(self, source: Path) -> Path:
        """Return the folder of the derivative with the label maps."""
        place = source / "derivatives"
        folders = sorted(path for path in place.iterdir() if path.is_dir()) if place.is_dir() else []
        if self.derivative:
            folders = [place / self.derivative]
        found = [folder for folder in folders if any(file.suffix == LABELS for file in bids_files(folder))]
        if not found:
            named = self.derivative or "NAME"
            raise InvalidFile(f"{place}: no label maps; expected derivatives/{named}/sub-01/../sub-01_.._dseg.nii.gz")
        if len(found) > 1:
            names = ", ".join(folder.name for folder in found)
            raise InvalidFile(
                f"{place}: {names} have label maps. Choose one.",
                Action.SET_OPTION(assignment=f"converter.derivative={found[0].name}"),
            )
        return found[0]


def _only_suffix(source: Path, images: Sequence[BidsFile], labels: Sequence[BidsFile]) -> tuple[str, ...]:
    """Return the suffix of the images in the sessions of the label maps, if there is one."""
    sessions = {label.session for label in labels}
    suffixes = Counter(image.suffix for image in images if image.session in sessions)
    if not suffixes:
        raise InvalidFile(
            f"{source}: no image of a session that has a label map; expected sub-01/../sub-01_.._T1w.nii.gz"
        )
    if len(suffixes) > 1:
        listed = ", ".join(f"{suffix} ({count})" for suffix, count in suffixes.most_common())
        names = '","'.join(sorted(suffixes))
        raise InvalidFile(
            f"{source}: has images {listed}. Choose the channels.",
            Action.SET_OPTION(assignment=f"""'converter.suffixes=["{names}"]'"""),
        )
    return tuple(suffixes)


def _training(labels: Sequence[BidsFile], images: Sequence[BidsFile], suffixes: Sequence[str]) -> tuple[CaseFiles, ...]:
    """Return a case per label map.

    Raises:
        Problems: a label map has no image of a suffix, or several; or two label maps are of one case. A line each.
    """
    problems: list[str] = []
    cases = []
    counts = Counter(label.case for label in labels)
    for label in labels:
        channels = []
        for suffix in suffixes:
            found = fitting_image(label, images, suffix)
            channels += [image.path for image in found]
            if not found:
                problems.append(f"{label.path}: its session has no image {suffix} of the same entities; add it")
            if len(found) > 1:
                names = ", ".join(image.path.name for image in found)
                problems.append(f"{label.path}: belongs to {names}; name it like one of them")
        if counts[label.case] > 1:
            problems.append(f"{label.path}: is one of {counts[label.case]} label maps of {label.case}; leave one")
        cases.append(CaseFiles(label.case, tuple(channels), label.path))
    if problems:
        raise Problems(problems)
    return tuple(cases)


def _unseen(
    images: Sequence[BidsFile], suffixes: Sequence[str], labelled: set[tuple[str, str]]
) -> tuple[CaseFiles, ...]:
    """Return the images of sessions without label maps that have every channel."""
    firsts = [image for image in images if image.suffix == suffixes[0] and image.session not in labelled]
    cases = []
    for first in firsts:
        found = [[first], *(fitting_image(first, images, suffix) for suffix in suffixes[1:])]
        if all(len(own) == 1 for own in found):
            cases.append(CaseFiles(first.case, tuple(own[0].path for own in found)))
    return tuple(cases)


def _named(derivative: Path, labels: Sequence[BidsFile]) -> dict[str, int]:
    """Return name -> label value of the tables dseg.tsv of a derivative or beside its label maps; {} without any.

    Raises:
        InvalidFile: a table is wrong, or two differ.
    """
    beside = (label.path.with_name(label.path.name.split(".")[0] + ".tsv") for label in labels)
    tables = [path for path in (*sorted(derivative.glob("*dseg.tsv")), *beside) if path.is_file()]
    names = {path: read_names(path) for path in tables}
    for path in tables[1:]:
        if names[path] != names[tables[0]]:
            raise InvalidFile(
                Line(
                    f"{path}: names other classes than {tables[0]}. Give the classes of all label maps.",
                    Action.SET_OPTION(assignment="""'converter.classes={"NAME": 1}'"""),
                )
            )
    return names[tables[0]] if tables else {}
