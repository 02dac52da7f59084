"""Names for cases whose files are named by another program."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from nnplug.dataset.file_names import stem


@dataclass(frozen=True)
class NamedFiles:
    """The files of a case that has no name yet.

    Attributes:
        images: the image files, in the order of the channels.
        label: the label map, or None.
    """

    images: tuple[Path, ...]
    label: Path | None = None


def case_names(cases: Sequence[NamedFiles], root: Path) -> list[str]:
    """Return a name for each case, by the first rule that gives every case a name of its own.

    The rules are: the common start of the names of its images, without a channel number 0000; the name of the label
    map; the folders of the first image in `root`, joined by "_"; the same with the name of the image.
    """
    rules: tuple[Callable[[NamedFiles], str], ...] = (
        _of_images,
        _of_label,
        lambda case: "_".join(_folders(case, root)),
        lambda case: "_".join((*_folders(case, root), stem(case.images[0]))),
    )
    for rule in rules:
        names = [_plain(rule(case)) for case in cases]
        if all(names) and len(set(names)) == len(names):
            return names
    return names


def _of_images(case: NamedFiles) -> str:
    stems = [stem(image) for image in case.images]
    if len(stems) == 1 or all(re.search(r"_[0-9]{4}$", name) for name in stems):
        return stems[0].removesuffix("_0000")
    start = "".join(same[0] for same in takewhile(lambda same: len(set(same)) == 1, zip(*stems, strict=False)))
    if any(name[len(start) :][:1].isalnum() for name in stems):  # within a word, as in case_t1 and case_t2
        start = re.sub(r"[^_\-. ]*$", "", start)
    return start.rstrip("_-. ")


def _of_label(case: NamedFiles) -> str:
    return "" if case.label is None else stem(case.label)


def _folders(case: NamedFiles, root: Path) -> tuple[str, ...]:
    image = case.images[0]
    return image.relative_to(root).parent.parts if image.is_relative_to(root) else (image.parent.name,)


def _plain(name: str) -> str:
    """Return a name with "_" for every character that case names cannot have."""
    return re.sub(r"^[^\w]+|[^\w.+-]", "_", name).strip("_")
