"""The converter of DICOM series with segmentations or structure sets to a dataset."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from zipfile import ZipFile

import numpy as np

from nnplug.contracts import Converter, PredictedCase, SourceScan
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import InvalidFile, Problems
from nnplug.io.geometry import LabelMap
from nnplug.io.images import write_image, write_label
from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress
from nnplug_dicom.annotations import Annotation
from nnplug_dicom.example import write_series
from nnplug_dicom.files import dicom_files
from nnplug_dicom.reader import DicomReader
from nnplug_dicom.seg_writer import SegWriter
from nnplug_dicom.series import SEGMENTATIONS, Series, image_series, read_headers
from nnplug_dicom.tilt import Upright
from nnplug_dicom.volume import OpenSeries, grid, small

_SHOWN = 5


@dataclass(frozen=True)
class FoundCase:
    """A case of the source.

    Attributes:
        opened: the series of its image.
        annotation: its segmentation or structure set, or None.
    """

    opened: OpenSeries
    annotation: Annotation | None


@dataclass
class DicomConverter(Converter):
    """A converter of a folder with one folder or zip file per case, with a series and a SEG or RTSTRUCT in each.

    One instance scans and converts: `scan` stores the label value of each name in `values`.

    Attributes:
        labels: the kind of annotation to take where a case has both: "seg" or "rtstruct".
        classes: the names to take, separated by commas, in the order of their label values; all if empty.
        channel: the name of the channel; that of the modality if empty.
    """

    labels: Literal["seg", "rtstruct"] = "seg"
    classes: str = ""
    channel: str = ""
    values: dict[str, int] = field(default_factory=dict, init=False)

    def scan(self, source: Path, *, executor: Executor, progress: Progress) -> SourceScan:
        """See `Converter.scan`."""
        places = [one for one in sorted(source.iterdir()) if one.is_dir() or one.name.lower().endswith(".zip")]
        with progress.task("read headers", len(places)) as advance:
            facts = []
            for one in executor.map(self._facts, places, stage="convert", name=str):
                facts.append(one)
                advance("")
        found = [one for one in facts if one is not None]
        if not found:
            raise InvalidFile(f"{source}: no folder or zip file in it holds a DICOM series; expected one per case")
        self.values = self._values(found)
        modalities = sorted({one.modality for one in found})
        channel = self.channel or modalities[0]
        codes = {name: dict(one.codes[name]) for one in reversed(found) for name in one.codes if name in self.values}
        description: dict[str, Any] = {
            "channel_names": {"0": channel},
            "labels": {"background": 0, **self.values},
            "file_ending": ".nii.gz",
            **({"segments": codes} if codes else {}),
        }
        cases = [CaseFiles(one.name, (one.place,), one.place if one.classes else None) for one in found]
        return SourceScan(
            description,
            training=tuple(case for case in cases if case.label),
            unseen=tuple(case for case in cases if not case.label),
            notices=_notices(found, modalities, channel, self.values),
        )

    def _values(self, found: Sequence[_Facts]) -> dict[str, int]:
        known = sorted({name for one in found for name in one.classes})
        names = [name.strip() for name in self.classes.split(",") if name.strip()] or known
        if missing := [name for name in names if name not in known]:
            raise InvalidFile(
                f"classes has {missing[0]!r}, which no segmentation has; there are {', '.join(known) or 'none'}"
            )
        return {name: number for number, name in enumerate(names, 1)}

    def _facts(self, place: Path) -> _Facts | None:
        """Return what the headers of a case say; None for a folder without series."""
        with self._opened(place) as case:
            if case is None:
                return None
            modality = str(case.opened.series.files[0].header.get("Modality", "image"))
            name = place.name[: -len(place.suffix)] if place.is_file() else place.name
            if case.annotation is None:
                return _Facts(place, name, modality)
            return _Facts(place, name, modality, tuple(case.annotation.classes), case.annotation.codes)

    @contextmanager
    def _opened(self, place: Path) -> Iterator[FoundCase | None]:
        with dicom_files(place) as files:
            headers = read_headers(files)
            series = image_series(headers)
            annotations = [Annotation(one) for one in headers if one.header.SOPClassUID in SEGMENTATIONS]
            annotation = self._annotation(annotations, series, place)
            own = [one for one in series if annotation is not None and one.uid in annotation.series] or list(series)
            if len(own) > 1:
                raise InvalidFile(
                    f"{place}: holds {len(own)} image series ({', '.join(one.description for one in own)}); leave "
                    "one, or add the segmentation of one"
                )
            yield FoundCase(OpenSeries(own[0], headers), annotation) if own else None

    def _annotation(self, found: list[Annotation], series: Sequence[Series], place: Path) -> Annotation | None:
        known = {one.uid for one in series}
        fitting = [one for one in found if one.series & known]
        if found and not fitting:
            raise InvalidFile(f"{found[0].file.name}: belongs to a series that {place} does not hold; add the series")
        wanted = [one for one in fitting if one.is_segmentation == (self.labels == "seg")] or fitting
        if len(wanted) > 1:
            raise Problems(
                [f"{one.file.name}: is one of {len(wanted)} annotations of {place}; leave one" for one in wanted]
            )
        return wanted[0] if wanted else None

    def convert(self, case: CaseFiles, target: CaseFiles, values: Mapping[int, int]) -> None:  # noqa: ARG002
        """See `Converter.convert`."""
        with self._opened(case.images[0]) as found:
            if found is None:
                raise InvalidFile(f"{case.images[0]}: holds no DICOM series any more")
            voxels, stack = found.opened.voxels()
            labels = np.zeros(stack.shape, np.int16)
            masks = dict(found.annotation.masks(stack)) if found.annotation is not None else {}
            for name, value in self.values.items():
                if name in masks:
                    labels[masks[name]] = value
        place = grid(stack)
        if stack.is_tilted:
            upright = Upright.around(stack)
            voxels, labels = upright.corrected(voxels, stack), upright.corrected_labels(labels, stack)
        write_image(target.images[0], small(voxels), place, target.readers)
        if target.label is not None:
            write_label(target.label, labels, place, target.readers)

    def example(self, folder: Path) -> None:
        """See `Converter.example`."""
        description = DatasetDescription.from_data(
            {
                "channel_names": {"0": "CT"},
                "labels": {"background": 0, "organ": 1, "tumour": 2},
                "numTraining": 2,
                "file_ending": ".nii.gz",
            },
            "example",
        )
        for name in ("anna", "bert"):
            work = folder / name
            write_series(work)
            (image,) = DicomReader().find_images(work)
            _, geometry = DicomReader().read(image.path)
            labels = (np.arange(np.prod(geometry.shape)) % 3).astype(np.int16).reshape(geometry.shape)
            case = PredictedCase(CaseFiles(name, (image.path,)), LabelMap(labels, geometry), description, "kit", "1")
            SegWriter().write(work / "labels.dcm", case)
            _zip(work, folder / f"{name}.zip")


@dataclass(frozen=True)
class _Facts:
    """The facts of a case that all cases decide on together."""

    place: Path
    name: str
    modality: str
    classes: tuple[str, ...] = ()
    codes: Mapping[str, Mapping[str, list[str]]] = field(default_factory=dict)


def _notices(
    found: Sequence[_Facts], modalities: Sequence[str], channel: str, values: Mapping[str, int]
) -> tuple[str, ...]:
    lines = []
    if len(modalities) > 1:
        lines.append(f"the series are {' and '.join(modalities)}; their channel is called {channel}")
    counts: dict[str, int] = defaultdict(int)
    for name in (name for one in found for name in one.classes if name in values):
        counts[name] += 1
    annotated = sum(1 for one in found if one.classes)
    rare = [f"{name} ({counts[name]} of {annotated})" for name in values if counts[name] < annotated]
    if rare:
        more = f" and {len(rare) - _SHOWN} more" if len(rare) > _SHOWN else ""
        lines.append(f"some cases lack a class: {', '.join(rare[:_SHOWN])}{more}; it is background there")
    return tuple(lines)


def _zip(work: Path, archive: Path) -> None:
    with ZipFile(archive, "w") as zipped:
        for file in sorted(work.iterdir()):
            zipped.write(file, file.name)
            file.unlink()
    work.rmdir()
