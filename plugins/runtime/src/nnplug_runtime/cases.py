"""Find the images of a prediction in folders and files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnplug_runtime.faults import Fault, Faults
from nnplug_runtime.images import ENDINGS, ending_of


@dataclass(frozen=True)
class Case:
    """The files of an image: one per channel, or files with several channels."""

    name: str
    images: tuple[Path, ...]

    @property
    def labels(self) -> str:
        """The name of the file of its label map."""
        return f"{self.name}{ending_of(self.images[0])}"


def find_cases(inputs: Sequence[Path], ending: str) -> tuple[Case, ...]:
    """Return the cases in folders and files.

    Args:
        inputs: folders with CASE_0000, CASE_0001 ..; or image files. A file without a channel number is a case.
        ending: the file ending of the training images. A folder without such images may have images of one other
            format.

    Raises:
        Faults: a path is missing or no image, a folder has no images, a channel is missing, or two cases have one name;
            a line each.
    """
    lines: list[str] = []
    cases: list[Case] = []
    files: list[Path] = []
    for path in inputs:
        try:
            if path.is_dir():
                cases += _cases_in(path, ending)
            else:
                files.append(_image(path))
        except Fault as error:
            lines.append(str(error))
    cases += _grouped(files)
    names = [case.name for case in cases]
    lines += [
        f"{name}: two inputs have this name; predict them in separate commands" for name in names if _twice(name, names)
    ]
    lines += [line for case in cases for line in _gap(case)]
    if lines:
        raise Faults(tuple(dict.fromkeys(lines)))
    return tuple(sorted(cases, key=lambda case: case.name))


def _twice(name: str, names: Sequence[str]) -> bool:
    return names.count(name) > 1


def _image(path: Path) -> Path:
    if not path.exists():
        raise Fault(f"{path}: no such file or folder; give a folder of images, or image files")
    if ending_of(path) is None:
        raise Fault(f"{path}: no image that nnplug-runtime reads; it reads {', '.join(ENDINGS)}")
    return path


def _cases_in(folder: Path, ending: str) -> list[Case]:
    there = [file for file in sorted(folder.iterdir()) if ending_of(file) and not file.name.startswith(".")]
    found: dict[str, list[Path]] = {}
    for file in there:
        if _number(file) is not None:
            found.setdefault((ending_of(file) or "").lower(), []).append(file)
    if not found and ending.lower() not in ENDINGS:
        raise Fault(
            f"{folder}: holds no images that nnplug-runtime reads ({', '.join(ENDINGS)}); convert them from {ending}"
        )
    if not found:
        raise Fault(f"{folder}: holds no images called CASE_0000{ending}; rename them, or give the files")
    chosen = ending.lower() if ending.lower() in found else next(iter(found))
    if chosen != ending.lower() and len(found) > 1:
        kinds = " and ".join(found)
        raise Fault(f"{folder}: holds no images {ending}, but images {kinds}; give the files of one")
    return list(_grouped(found[chosen]))


def _grouped(files: Iterable[Path]) -> Iterator[Case]:
    """Yield the cases of files, whose channels are in the order of their numbers."""
    channels: dict[str, dict[int, Path]] = {}
    for file in files:
        stem, number = _stem(file), _number(file)
        if number is None:
            yield Case(stem, (file,))
        else:
            channels.setdefault(stem[: -len("_0000")], {})[number] = file
    for name, own in channels.items():
        yield Case(name, tuple(own[number] for number in sorted(own)))


def _gap(case: Case) -> Iterator[str]:
    """Yield a line if the channel numbers of a case have a gap: a later channel would replace a missing one."""
    numbers = [_number(file) for file in case.images]
    if numbers not in ([None], list(range(len(numbers)))):
        absent = next(number for number in range(len(numbers) + 1) if number not in numbers)
        name = f"{case.name}_{absent:04d}{ending_of(case.images[0])}"
        yield f"{case.images[0].parent}: {name} is missing; add the channel"


def _stem(file: Path) -> str:
    return file.name[: -len(ending_of(file) or "")]


def _number(file: Path) -> int | None:
    match = re.fullmatch(r"[^.].*_([0-9]{4})", _stem(file))
    return int(match[1]) if match else None
