"""Ensembles: the mean of several models' probabilities on the image's grid, as in nnU-Net."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from nnplug.arrays import LabelArray
from nnplug.dataset.description import DatasetDescription
from nnplug.dataset.labels import Labels
from nnplug.dataset.sidecars import written_with
from nnplug.errors import InvalidFile, Line, Problems
from nnplug.evaluation.pairs import label_files
from nnplug.inference.logits import ENDING, read_logits
from nnplug.inference.probabilities import read_probabilities, write_probabilities
from nnplug.io.images import read_geometry, write_label
from nnplug.io.placement import check_order
from nnplug.io.readers import Readers
from nnplug.ops.export import decode
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.remedies import Action
from nnplug.runtime.json_files import read_json
from nnplug.runtime.memmap import memmapped
from nnplug.runtime.outputs import Outputs, write_document

Shape = tuple[int, int, int]


class Output(Protocol):
    """The probabilities of a member for an image, slice by slice."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape (K, z, y, x): the number of outputs, and the shape of the image."""
        ...

    def planes(self) -> Iterator[torch.Tensor]:
        """Yield (K, y, x) float32 for each z of the image. Each is valid until the next one is read."""
        ...


@dataclass(frozen=True)
class Mean:
    """The mean of members, summed in float32 in their order as in nnU-Net. Only a few slices are in memory."""

    members: Sequence[Output]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """See `Output.shape`."""
        return self.members[0].shape

    def planes(self) -> Iterator[torch.Tensor]:
        """See `Output.planes`."""
        for first, *others in zip(*(member.planes() for member in self.members), strict=True):
            total = first.clone()
            for plane in others:  # on another device if there was no room for it
                total += plane.to(total.device)
            yield total.div_(len(self.members))


def label_map(output: Output, labels: Labels) -> LabelArray:
    """Return the label map (z, y, x): the class of largest probability, or regions above 0.5 in their order."""
    decoded = (decode(plane, labels.regions_class_order, threshold=0.5) for plane in output.planes())
    return np.stack([plane.cpu().numpy() for plane in decoded])


def mean_volumes(output: Output, scratch: Path) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the probabilities (z, y, x) float32 of one class after the other.

    They are computed slice by slice and memory-mapped on the disk of `scratch`.
    """
    volumes = memmapped(output.shape, scratch)
    for z, plane in enumerate(output.planes()):
        volumes[:, z] = plane
    for volume in volumes:
        yield volume.numpy()


def ensemble_folders(
    folders: Sequence[Path],
    target: Path,
    *,
    description: DatasetDescription | None = None,
    save_probabilities: bool = False,
    replace: bool = False,
    runtime: Runtime,
) -> tuple[str, ...]:
    """Average the stored probabilities of every case and write the label maps.

    Args:
        folders: predictions of different models for the same images. Each has, for every case, its label map and
            CASE.npz (nnU-Net's format) or CASE.logits.zip (`nnplug predict --save-logits`).
        target: the folder for label maps, `dataset.json` and `plans.json`; files that nnplug wrote there are replaced.
        description: labels and file ending; None for the `dataset.json` of the first folder.
        save_probabilities: whether to write CASE.npz of the mean too.
        replace: whether to replace files that nnplug did not write, or that have changed since it wrote them.
        runtime: its executor processes cases in parallel; each has a few slices of all classes in memory.

    Returns:
        The names of the cases.

    Raises:
        Problems: folders differ in cases or labels, cases lack their probabilities, shapes differ, or files would be
            lost (see `nnplug.runtime.outputs.Outputs.check`); a line each.
    """
    description = description or DatasetDescription.read(folders[0] / "dataset.json")
    names = _common_cases(folders, description)
    readers = description.readers(Readers.of(runtime.registry), str(folders[0] / "dataset.json"))
    job = _CaseMean(tuple(folders), target, description, save_probabilities, runtime.plugins, readers)
    documents = _documents(folders, target, description)
    _outputs(job, names, documents).claim(replace=replace)
    with runtime.progress.task("ensemble", len(names)) as advance:
        for name, _ in zip(names, runtime.executor.map(job, names, stage="ensemble"), strict=True):
            advance(name)
    for path, data in documents.items():
        write_document(path, data)
    return names


def _documents(folders: Sequence[Path], target: Path, description: DatasetDescription) -> dict[Path, Any]:
    plans = folders[0] / "plans.json"
    copied = {target / "plans.json": read_json(plans)} if plans.is_file() else {}
    return {target / "dataset.json": dict(description.raw), **copied}


def _outputs(job: _CaseMean, names: Sequence[str], documents: Mapping[Path, Any]) -> Outputs:
    labels = [job.target / f"{name}{job.description.file_ending}" for name in names]
    files = [place for file in labels for place in written_with(file, job.readers)]
    files += [job.target / f"{name}.npz" for name in names if job.save_probabilities]
    inputs = [file for folder in job.folders for file in folder.iterdir() if file.is_file()]
    return Outputs((*files, *documents), tuple(inputs), documents)


def open_output(folder: Path, case: str, scratch: Path, plugins: Plugins) -> Output:
    """Return the stored probabilities of a case, from CASE.npz if it exists, else from logits.

    Args:
        folder: the folder of the probabilities.
        case: the name of the case.
        scratch: a folder on the disk for memory-mapped values, see `nnplug.runtime.memmap`.
        plugins: the plugins that offer the preprocessor of stored logits.

    Raises:
        InvalidFile: the file is damaged or missing.
        MissingProvider: as in `read_logits`.
    """
    npz = folder / f"{case}.npz"
    if npz.is_file():
        return read_probabilities(npz, scratch)
    return read_logits(folder / f"{case}{ENDING}", scratch, plugins)


def has_output(folder: Path, case: str) -> bool:
    """Return whether probabilities of a case are stored, in either format."""
    return any((folder / f"{case}{ending}").is_file() for ending in (".npz", ENDING))


@dataclass(frozen=True)
class _CaseMean:
    """The job that averages one case of several folders."""

    folders: tuple[Path, ...]
    target: Path
    description: DatasetDescription
    save_probabilities: bool
    plugins: Plugins
    readers: Readers

    def __call__(self, case: str) -> None:
        file = f"{case}{self.description.file_ending}"
        geometry, *others = (read_geometry(folder / file, self.readers) for folder in self.folders)
        for folder, other in zip(self.folders[1:], others, strict=True):
            check_order(folder / file, other, self.folders[0] / file, geometry)
        expected = (self.description.labels.outputs, *geometry.shape)
        members = [open_output(folder, case, self.target, self.plugins) for folder in self.folders]
        for folder, member in zip(self.folders, members, strict=True):
            if member.shape != expected:
                raise InvalidFile(
                    f"{folder}: probabilities of {case} have shape {member.shape}, expected {expected} "
                    "(classes or regions, z, y, x); predict the same images with models of the same labels"
                )
        mean = Mean(members)
        write_label(self.target / file, label_map(mean, self.description.labels), geometry, self.readers)
        if self.save_probabilities:
            write_probabilities(self.target / f"{case}.npz", mean_volumes(mean, self.target), mean.shape)


def _common_cases(folders: Sequence[Path], description: DatasetDescription) -> tuple[str, ...]:
    """Return the cases of the first folder; raise `Problems` unless all folders have them."""
    ending = description.file_ending
    cases = {folder: set(label_files(folder, (ending,))) for folder in folders}
    every = set().union(*cases.values())
    lines = [line for folder in folders if (line := _other_labels(folder, description))]
    for folder, own in cases.items():
        lines += [
            f"{folder}: has no {case}{ending}, another folder has; predict the same images with all models"
            for case in sorted(every - own)
        ]
        lines += [
            Line(f"{folder}: {case} has neither {case}.npz nor {case}{ENDING}", Action.SAVE_LOGITS())
            for case in sorted(own)
            if not has_output(folder, case)
        ]
    if lines:
        raise Problems(lines)
    return tuple(sorted(every))


def _other_labels(folder: Path, description: DatasetDescription) -> str | None:
    own = folder / "dataset.json"
    if not own.is_file() or (labels := DatasetDescription.read(own).labels) == description.labels:
        return None
    return (
        f"{own}: has the labels {', '.join(labels.values)}, not {', '.join(description.labels.values)} "
        "with the same values; only models of the same labels can be averaged"
    )
