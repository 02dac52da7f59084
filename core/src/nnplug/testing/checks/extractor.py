"""The checks of `nnplug.contracts.Extractor`."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from nnplug.dataset.dataset import Dataset
from nnplug.dataset.phantom import write_phantom
from nnplug.io.images import read_geometry, read_image, write_image
from nnplug.plans.fingerprint import Fingerprint
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug.testing.check import Checks, Subject, require
from nnplug.testing.checks.executor import PicklingExecutor

CASES = 3
SHAPE = (16, 18, 16)


def _measures(subject: Subject) -> None:
    with TemporaryDirectory() as folder:
        dataset = _dataset(folder)
        before = _files(dataset.folder)
        _check(_extract(subject, dataset), dataset)
        require(_files(dataset.folder) == before, "the dataset's folder was changed; an extractor writes nothing")


def _check(fingerprint: Fingerprint, dataset: Dataset) -> None:
    for field in ("spacings", "shapes_after_crop"):
        found = len(getattr(fingerprint, field))
        require(found == CASES, f"{field} has {found} entries for {CASES} cases")
    channels = sorted(fingerprint.foreground_intensity_properties_per_channel)
    expected = [str(channel) for channel, _ in enumerate(dataset.description.channel_names)]
    require(channels == expected, f"there are intensities of the channels {channels}, not {expected}")
    sizes = [size for shape in fingerprint.shapes_after_crop for size in zip(shape, SHAPE, strict=True)]
    require(all(0 < cropped <= whole for cropped, whole in sizes), "shapes_after_crop do not fit into the images")


def _reads_every_case(subject: Subject) -> None:
    """Raise unless the intensities of every case change the fingerprint and the sizes are those of the files."""
    with TemporaryDirectory() as folder:
        dataset = _dataset(folder)
        before = _extract(subject, dataset)
        cases = list(dataset.training_cases())
        spacings = [read_geometry(case.images[0]).spacing for case in cases]
        require(list(before.spacings) == spacings, f"the spacings are {before.spacings}, those of the files {spacings}")
        for case in cases:
            image = read_image(case.images[:1])
            write_image(case.images[0], 3 * image.array[0] + 50, image.geometry)
            after = _extract(subject, dataset)
            require(after != before, f"other intensities of {case.name} gave the same fingerprint; read every case")
            before = after


def _round_trips(subject: Subject) -> None:
    with TemporaryDirectory() as folder:
        fingerprint = _extract(subject, _dataset(folder))
    again = Fingerprint.from_data(json.loads(json.dumps(fingerprint.data())), "the fingerprint")
    require(again == fingerprint, "the fingerprint came back from JSON with other values")


def _is_deterministic(subject: Subject) -> None:
    with TemporaryDirectory() as folder:
        dataset = _dataset(folder)
        first, second = (_extract(subject, dataset, workers) for workers in (1, 3))
    require(first == second, "another number of workers gave another fingerprint")


def _runs_elsewhere(subject: Subject) -> None:
    with TemporaryDirectory() as folder:
        subject.create().extract(_dataset(folder), executor=PicklingExecutor(1), progress=Silent())


def _extract(subject: Subject, dataset: Dataset, workers: int = 1) -> Fingerprint:
    fingerprint = subject.create().extract(dataset, executor=LocalExecutor(workers), progress=Silent())
    found = type(fingerprint).__name__
    require(
        isinstance(fingerprint, Fingerprint), f"measuring gave {found} instead of nnplug.plans.fingerprint.Fingerprint"
    )
    assert isinstance(fingerprint, Fingerprint)
    return fingerprint


def _dataset(folder: str) -> Dataset:
    return write_phantom(Path(folder) / "Dataset001_Kit", cases=CASES, unseen=0, shape=SHAPE)


def _files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


CHECKS: Checks = {
    "measures a dataset and writes nothing": _measures,
    "reads every case": _reads_every_case,
    "gives a fingerprint that JSON holds": _round_trips,
    "does not depend on the number of workers": _is_deterministic,
    "gives jobs that other processes can run": _runs_elsewhere,
}
