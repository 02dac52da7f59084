"""The component `datalist` of kind converter: a JSON file of MONAI that lists images, label maps and folds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnplug.contracts import Converter, SourceScan
from nnplug.conversion.write_case import write_case
from nnplug.dataset.case_files import CaseFiles
from nnplug.errors import InvalidFile, Problems
from nnplug.io.images import read_voxels
from nnplug.runtime.executor import Executor
from nnplug.runtime.json_files import read_json, write_json
from nnplug.runtime.progress import Progress
from nnplug_layouts.description import channel_names, common_ending
from nnplug_layouts.entries import EXPECTED, ListEntry, ReadEntries, read_entries
from nnplug_layouts.example import write_images
from nnplug_layouts.folds import ListedFolds, fold_of_lists, folds_by_number
from nnplug_layouts.names import NamedFiles, case_names
from nnplug_layouts.values import ClassValues, class_values


@dataclass(frozen=True, kw_only=True)
class Datalist(Converter):
    """A converter of `{"training": [{"image": FILE, "label": FILE, "fold": NUMBER}], "testing": [..]}`.

    No file is copied: `dataset.json` lists the files where they are.

    Attributes:
        root: the folder that paths in the file are relative to; by default that of the file.
        channels: the channels' names, which select their normalisation ("CT"); by default those of the file's
            "channel_names" or "modality", or numbered.
        classes: class name -> value in the label maps; by default those of the file's "labels", or every value that
            occurs.
        copy: whether images and label maps are copied, which can change label values.
    """

    root: str = ""
    channels: tuple[str, ...] = ()
    classes: Mapping[str, int] = field(default_factory=dict)
    copy: bool = False

    def scan(self, source: Path, *, executor: Executor, progress: Progress) -> SourceScan:
        """Return the cases and `dataset.json`; see `nnplug.contracts.Converter`.

        Raises:
            InvalidFile: the file is no JSON object.
            Problems: entries are wrong or files are missing; a line each.
        """
        raw = read_json(source)
        if not isinstance(raw, dict):
            raise InvalidFile(f"{source}: is no datalist; expected {{'training': [..]}}, {EXPECTED} for each case")
        root = Path(self.root) if self.root else source.parent
        read = read_entries(raw, root, source)
        trained = [*read.training, *read.validation]
        cases = _cases([*trained, *read.testing], root)
        if faults := [*read.faults, *_described_faults(read, source), *_twice(cases)]:
            raise Problems(faults)
        found = _Found(raw, cases[: len(trained)], cases[len(trained) :])
        labels = [case.label for case in found.training if case.label is not None]
        named = self.classes or _named_values(raw.get("labels"))
        values = class_values(named, labels, copied=self.copy, executor=executor, progress=progress)
        return self._scan(source, found, values, _folds(read, [case.name for case in found.training]))

    def _scan(self, source: Path, found: _Found, values: ClassValues, folds: ListedFolds) -> SourceScan:
        images = found.training[0].images
        count = sum(len(read_voxels(file)[0]) for file in images)
        channels, wrong = channel_names(self.channels or _stated_channels(found.raw), count, images)
        if faults := [*values.faults(source), *wrong]:
            raise Problems(faults)
        description = {
            "channel_names": channels,
            "labels": values.labels,
            "file_ending": common_ending(found.training, copied=self.copy),
        }
        return SourceScan(
            description,
            found.training,
            found.testing,
            values.changes,
            folds.notices,
            in_place=not self.copy,
            folds=folds.folds,
        )

    def convert(self, case: CaseFiles, target: CaseFiles, values: Mapping[int, int]) -> None:
        """See `nnplug.contracts.Converter`."""
        write_case(case, target, values)

    def example(self, folder: Path) -> None:
        """Write two cases of two folds and a case to predict."""
        for number, name in enumerate("abc"):
            write_images(folder / "images" / f"{name}.nii.gz", folder / "labels" / f"{name}.nii.gz", number)
        listed = [{"image": f"images/{name}.nii.gz", "label": f"labels/{name}.nii.gz"} for name in "ab"]
        folds = [{**entry, "fold": number} for number, entry in enumerate(listed)]
        write_json(folder / "datalist.json", {"training": folds, "testing": [{"image": "images/c.nii.gz"}]})


@dataclass(frozen=True)
class _Found:
    """The content of the file and its cases."""

    raw: Mapping[str, Any]
    training: tuple[CaseFiles, ...]
    testing: tuple[CaseFiles, ...]


def _cases(entries: Sequence[ListEntry], root: Path) -> tuple[CaseFiles, ...]:
    """Return the cases. Their names differ, also between training cases and cases to predict."""
    if not entries:
        return ()
    names = case_names([NamedFiles(entry.images, entry.label) for entry in entries], root)
    return tuple(CaseFiles(name, entry.images, entry.label) for name, entry in zip(names, entries, strict=True))


def _twice(cases: Sequence[CaseFiles]) -> list[str]:
    counts = Counter(case.images for case in cases)
    return [f"{images[0]}: is listed {count} times; list it once" for images, count in counts.items() if count > 1]


def _described_faults(read: ReadEntries, source: Path) -> list[str]:
    """Return a line for each fault of the cases together: other numbers of channels, and two kinds of folds."""
    faults = []
    trained = [*read.training, *read.validation, *read.testing]
    counts = Counter(len(entry.images) for entry in trained)
    if len(counts) > 1:
        usual = counts.most_common(1)[0][0]
        odd = [entry for entry in trained if len(entry.images) != usual]
        faults += [f"{source}: {one.where} has {len(one.images)} images, others {usual}; list all" for one in odd]
    numbered = [entry.where for entry in (*read.training, *read.validation) if entry.fold is not None]
    if read.validation and numbered:
        faults.append(
            f"{source}: 'validation' lists cases, and {numbered[0]} has a fold; leave out one of these definitions"
        )
    return faults


def _folds(read: ReadEntries, names: Sequence[str]) -> ListedFolds:
    if read.validation:
        count = len(read.training)
        return fold_of_lists(names[:count], names[count:])
    return folds_by_number({name: entry.fold for name, entry in zip(names, read.training, strict=True)})


def _named_values(raw: Any) -> dict[str, int]:
    """Return class name -> value of the file's "labels", by name or by value as in the Decathlon; {} for others."""
    if not isinstance(raw, dict):
        return {}
    if all(isinstance(value, int) for value in raw.values()):
        return {str(name): value for name, value in raw.items()}
    if all(str(key).isdecimal() and isinstance(name, str) for key, name in raw.items()):
        return {name: int(key) for key, name in raw.items()}
    return {}


def _stated_channels(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the file's "channel_names" or "modality"; () if it states none."""
    stated = raw.get("channel_names", raw.get("modality"))
    if isinstance(stated, dict) and all(str(key).isdecimal() for key in stated):
        return tuple(str(name) for _, name in sorted(stated.items(), key=lambda item: int(item[0])))
    if isinstance(stated, list):
        return tuple(map(str, stated))
    return (stated,) if isinstance(stated, str) else ()
