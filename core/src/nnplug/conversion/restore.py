"""Write predictions with the label values of the folder that a dataset was converted from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from operator import attrgetter
from pathlib import Path

import numpy as np

from nnplug.arrays import LabelArray
from nnplug.dataset.description import DatasetDescription
from nnplug.dataset.sidecars import images_in, written_with
from nnplug.errors import InvalidFile
from nnplug.evaluation.pairs import label_files
from nnplug.io.images import read_label, write_label
from nnplug.io.readers import Readers, readers_or_core
from nnplug.runtime.executor import Executor
from nnplug.runtime.outputs import Outputs
from nnplug.runtime.progress import Progress

KEY = "source_labels"
"""The key in `dataset.json` of the mapping from label values of the dataset to those of its source."""


def source_labels(description: DatasetDescription, where: Path) -> dict[int, int]:
    """Return label value -> label value of the source, as the converter wrote it into `dataset.json`.

    Raises:
        InvalidFile: the key is missing, or is not a mapping of label values.
    """
    raw = description.raw.get(KEY)
    if not isinstance(raw, Mapping) or not all(isinstance(v, int) and str(k).isdecimal() for k, v in raw.items()):
        raise InvalidFile(
            f"{where}: '{KEY}' is {raw!r}; expected the source's label values, such as "
            '{"0": 0, "1": 2}, which converters of challenges write'
        )
    return {int(own): theirs for own, theirs in raw.items()}


def restore(
    folder: Path,
    target: Path,
    values: Mapping[int, int],
    *,
    readers: Readers | None = None,
    replace: bool = False,
    executor: Executor,
    progress: Progress,
) -> None:
    """Write every label map of a folder with other label values, under the same name.

    Args:
        folder: a folder of label maps in any format that nnplug reads.
        target: the folder for the results.
        values: label value -> label value of the result.
        readers: the readers of the label maps; None for those of the core.
        replace: whether to replace files that nnplug did not write, or that have changed since it wrote them.
        executor: processes cases in parallel.
        progress: receives the progress.

    Raises:
        Problems: files would be lost (see `nnplug.runtime.outputs.Outputs.check`), or label maps cannot be read or have
            values that are not in `values`; a line each.
    """
    own = readers_or_core(readers)
    files = list(label_files(folder, own.endings).values())
    written = tuple(place for file in files for place in written_with(target / file.name, own))
    Outputs(written, images_in(folder, own)).claim(replace=replace)
    work = partial(_restore, target=target, values=dict(values), readers=own)
    with progress.task("restore", len(files)) as advance:
        for file, _ in zip(files, executor.map(work, files, stage="restore", name=attrgetter("name")), strict=True):
            advance(file.name)


def _restore(file: Path, *, target: Path, values: Mapping[int, int], readers: Readers) -> None:
    label_map = read_label(file, readers)
    write_label(target / file.name, _mapped(label_map.array, values, file), label_map.geometry, readers)


def _mapped(array: LabelArray, values: Mapping[int, int], file: Path) -> LabelArray:
    present = np.unique(array).tolist()
    if unknown := sorted(set(present) - set(values)):
        raise InvalidFile(f"{file}: holds label {unknown[0]}, the source has no value for it; known: {sorted(values)}")
    result = np.zeros_like(array)
    for value in present:
        result[array == value] = values[value]
    return result
