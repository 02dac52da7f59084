"""The component `pairs` of kind converter: plain folders of images and label maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

from nnplug.contracts import Converter, SourceScan
from nnplug.conversion.write_case import write_case
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.file_names import file_ending
from nnplug.errors import InvalidOptions, Line, Problems
from nnplug.io.default_reader.formats import WITHOUT_SPACING
from nnplug.io.images import read_label, read_voxels, write_image, write_label
from nnplug.io.readers import core_readers
from nnplug.preparation.verify_case import label_values
from nnplug.remedies import Action
from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress
from nnplug_nnunet.converters.examples import GEOMETRY, volumes
from nnplug_nnunet.converters.names import Match, common_name, match_names
from nnplug_nnunet.converters.sources import Files, find_files


@dataclass(frozen=True, kw_only=True)
class Pairs(Converter):
    """A converter for images and label maps in separate folders, or in one folder and distinguished by patterns.

    Attributes:
        images: a folder in the source, or a pattern such as "images/{case}_t1.nii.gz" with {case} for the case and *
            for anything; a list of them for several channels.
        labels: the same for the label maps.
        channels: the channels' names, which select their normalisation ("CT"); by default numbered.
        classes: class name -> value in the label maps; by default every value that occurs.
        file_ending: file ending of the result; by default the common one of the files, else .nii.gz, or .png for
            photos.
    """

    images: str | tuple[str, ...] = "images"
    labels: str = "labels"
    channels: tuple[str, ...] = ()
    classes: Mapping[str, int] = field(default_factory=dict)
    file_ending: str = ""

    def __post_init__(self) -> None:
        """Raise `InvalidOptions` for a file ending that no dataset can have."""
        endings = core_readers().endings
        if self.file_ending and self.file_ending not in endings:
            known = ", ".join(endings)
            raise InvalidOptions(f"converter option file_ending is {self.file_ending!r}; it must be one of {known}")

    def scan(self, source: Path, *, executor: Executor, progress: Progress) -> SourceScan:
        """Return the cases and `dataset.json`; see `nnplug.contracts.Converter`.

        Raises:
            InvalidFile: a folder or pattern matches no file.
            InvalidOptions: `channels` has another number of names than there are channels.
            Problems: label maps have no image, or two files have the same name, one line each.
        """
        patterns = [self.images] if isinstance(self.images, str) else list(self.images)
        images = [find_files(source, pattern, "images") for pattern in patterns]
        paired = _pair(images, find_files(source, self.labels, "labels"))
        values = self._values([case.label for case in paired.training if case.label], executor, progress)
        description = {
            "channel_names": self._channel_names(paired.training[0].images),
            "labels": {"background": 0, **{name: new for new, name in enumerate(self._names(values), 1)}},
            "file_ending": self.file_ending or _common_ending(paired.training),
        }
        changed = {old: new for old, new in values.items() if old != new}
        notices = [f"label value {old} becomes {new}" for old, new in changed.items()]
        return SourceScan(description, paired.training, paired.unseen, values, (*paired.notices, *notices))

    def convert(self, case: CaseFiles, target: CaseFiles, values: Mapping[int, int]) -> None:
        """See `nnplug.contracts.Converter`."""
        write_case(case, target, values)

    def example(self, folder: Path) -> None:
        """Write two pairs whose names differ by a word, and an image without a label map."""
        for seed, name in enumerate("abc"):
            image, label = volumes(seed)
            write_image(folder / "images" / f"scan_{name}.nii.gz", image[0], GEOMETRY)
            if name != "c":
                write_label(folder / "labels" / f"{name}_mask.nii.gz", label, GEOMETRY)

    def _values(self, labels: Sequence[Path], executor: Executor, progress: Progress) -> dict[int, int]:
        """Return value in the label maps -> value in the result, the background first."""
        if self.classes:
            return {0: 0, **{old: new for new, old in enumerate(self.classes.values(), 1)}}
        found: set[int] = set()
        with progress.task("read labels", len(labels)) as advance:
            for values in executor.map(_read_values, labels, stage="read label", name=attrgetter("name")):
                found.update(values)
                advance("")
        return {0: 0, **{old: new for new, old in enumerate(sorted(found - {0}), 1)}}

    def _names(self, values: Mapping[int, int]) -> list[str]:
        return list(self.classes) or [f"class_{old}" for old in values if old]

    def _channel_names(self, files: Sequence[Path]) -> dict[str, str]:
        count = sum(len(read_voxels(file)[0]) for file in files)
        names = self.channels or [f"channel_{number}" for number in range(count)]
        if len(names) != count:
            raise InvalidOptions(
                f"converter option channels is {list(names)}; {', '.join(map(str, files))} have {count} channels"
            )
        return {str(number): name for number, name in enumerate(names)}


@dataclass(frozen=True)
class _Paired:
    training: tuple[CaseFiles, ...]
    unseen: tuple[CaseFiles, ...]
    notices: tuple[str, ...]


def _pair(images: Sequence[Files], labels: Files) -> _Paired:
    """Find the images of every label map, and the images without a label map.

    Raises:
        Problems: label maps without an image, one line each.
    """
    matches = [match_names(list(labels), list(channel)) for channel in images]
    problems = [line for found, channel in zip(matches, images, strict=True) for line in _alone(labels, found, channel)]
    if problems:
        raise Problems(problems)
    names = _case_names([(label, *(found[label].name for found in matches)) for label in labels])
    training = [
        CaseFiles(names[label], tuple(c[found[label].name] for c, found in zip(images, matches, strict=True)), path)
        for label, path in labels.items()
    ]
    unseen, notices = _leftovers(images, [{m.name for m in found.values()} for found in matches])
    alike = [line for found, channel in zip(matches, images, strict=True) for line in _doubts(labels, found, channel)]
    return _Paired(tuple(sorted(training, key=lambda case: case.name)), tuple(unseen), (*alike, *notices))


def _alone(labels: Files, found: Mapping[str, Match], images: Files) -> Iterator[str]:
    for name, path in labels.items():
        if name not in found:
            yield Line(
                f"{path}: none of {len(images)} images has a name like it alone. Rename it, or give the images' names "
                "as a pattern.",
                Action.SET_OPTION(assignment="'converter.images=images/{case}_t1.nii.gz'"),
            )


def _doubts(labels: Files, found: Mapping[str, Match], images: Files) -> Iterator[str]:
    for name, match in found.items():
        if match.alike:
            yield f"{labels[name]} is taken for the label map of {images[match.name]}, the closest name; check it"


def _case_names(groups: Sequence[tuple[str, ...]]) -> dict[str, str]:
    """Return label map's name -> case's name: the common part of its files' names, if that is unique."""
    shared = {group[0]: common_name(group[0], group[1]) for group in groups}
    return shared if len({*shared.values(), ""}) == len(groups) + 1 else {label: label for label in shared}


def _leftovers(images: Sequence[Files], used: Sequence[set[str]]) -> tuple[list[CaseFiles], list[str]]:
    """Return the images without a label map as cases to predict; only those that have every channel."""
    first, *others = (
        {name: path for name, path in c.items() if name not in u} for c, u in zip(images, used, strict=True)
    )
    whole = [name for name in first if all(name in other for other in others)]
    cases = [CaseFiles(name, (first[name], *(other[name] for other in others))) for name in whole]
    return cases, [f"{len(cases)} images have no label map; they go to imagesTs"] if cases else []


def _common_ending(cases: Sequence[CaseFiles]) -> str:
    """Return the file ending of all files, if datasets can have it; else one that can hold the first image."""
    files = [path for case in cases for path in (*case.images, case.label) if path]
    endings = {file_ending(path) or "" for path in files}
    if len(endings) == 1 and endings <= set(core_readers().endings) - {".mhd"}:
        return endings.pop()
    array, geometry = read_voxels(files[0])
    small: Any = array.dtype.kind == "u" and array.dtype.itemsize <= 2
    natural = geometry.dimensions == 2 and files[0].name.lower().endswith((*WITHOUT_SPACING, ".jpg", ".jpeg"))
    return ".png" if natural and small else ".nii.gz"


def _read_values(path: Path) -> tuple[int, ...]:
    return label_values(read_label(path).array)
