"""The label values of a dataset whose files may have to stay as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from nnplug.errors import InvalidFile, Line
from nnplug.io.images import read_label
from nnplug.preparation.verify_case import label_values
from nnplug.remedies import Action
from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress


@dataclass(frozen=True)
class ClassValues:
    """The foreground classes of a source.

    Attributes:
        classes: name -> value in the label maps of the source, in ascending order of values.
        copied: whether the label maps are copied, so that their values can change.
    """

    classes: Mapping[str, int]
    copied: bool

    @property
    def labels(self) -> dict[str, int]:
        """The entry `labels` of `dataset.json`, the background first."""
        numbered = enumerate(self.classes, 1)
        own = {name: new for new, name in numbered} if self.copied else dict(self.classes)
        return {"background": 0, **own}

    @property
    def changes(self) -> dict[int, int]:
        """Value in the source -> value in the dataset; empty if the label maps stay as they are."""
        return {0: 0, **{old: new for new, old in enumerate(self.classes.values(), 1)}} if self.copied else {}

    def faults(self, where: Path) -> list[str]:
        """Return a line if values have gaps and the label maps stay as they are, with the option that copies them."""
        values = list(self.classes.values())
        if self.copied or values == list(range(1, len(values) + 1)):
            return []
        return [
            Line(
                f"{where}: label values are 0, {', '.join(map(str, values))}; they must be consecutive, and files that "
                "stay in place cannot change. Copy them with new values, or correct them",
                Action.SET_OPTION(assignment="converter.copy=true"),
            )
        ]


def class_values(
    named: Mapping[str, int], labels: Sequence[Path], *, copied: bool, executor: Executor, progress: Progress
) -> ClassValues:
    """Return the classes: those that have a name, or else every value above 0 that occurs, as class_1, class_2 ...

    Args:
        named: class name -> value; empty to read the label maps.
        labels: the label maps.
        copied: whether they are copied.
        executor: reads them in parallel.
        progress: receives the progress.

    Raises:
        InvalidFile: no label map has a value above 0.
        Problems: label maps cannot be read; a line each.
    """
    if named:
        foreground = {name: value for name, value in named.items() if value != 0}
        return ClassValues(dict(sorted(foreground.items(), key=lambda item: item[1])), copied)
    found: set[int] = set()
    with progress.task("read labels", len(labels)) as advance:
        for values in executor.map(_read_values, labels, stage="read label", name=attrgetter("name")):
            found.update(values)
            advance("")
    if not found - {0}:
        raise InvalidFile(f"{labels[0]}: this and all other label maps hold background only; nothing to learn")
    return ClassValues({f"class_{value}": value for value in sorted(found - {0})}, copied)


def _read_values(path: Path) -> tuple[int, ...]:
    return label_values(read_label(path).array)
