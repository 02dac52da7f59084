"""The datasets of the row `quality`, with cases for validation and for the test that no training sees."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Part = Literal["validation", "test"]
PARTS: tuple[Part, Part] = ("validation", "test")
"""Choices are made on validation cases; test cases are scored once, at the end."""


@dataclass(frozen=True)
class Data:
    """A dataset, and how both sides train on it.

    Attributes:
        name: one word, for file names and command lines.
        folder: the name of the dataset in nnU-Net's raw layout.
        configuration: the one that is trained.
        validation: cases whose patches give the pseudo Dice of both sides; they are scored as whole images too.
        test: cases that are not in the dataset that either side is given.
        iterations: the length of nnunetv2's training.
        memory_gb: GPU memory that both planners plan for, None for their default; less gives smaller patches.
        batch: patches, None for the plan's.
    """

    name: str
    folder: str
    configuration: str
    validation: tuple[str, ...]
    test: tuple[str, ...]
    iterations: int
    memory_gb: float | None = None
    batch: int | None = None

    def cases(self, part: Part) -> tuple[str, ...]:
        """Return the held-out cases of a part."""
        return self.validation if part == "validation" else self.test


def _named(prefix: str, numbers: str) -> tuple[str, ...]:
    return tuple(prefix + number for number in numbers.split())


DATASETS = (
    Data(
        "hippocampus",
        "Dataset004_Hippocampus",
        "3d_fullres",
        validation=_named(
            "hippocampus_",
            "006 020 034 040 046 053 067 087 094 105 127 141 152 160 166 178 193 210 222 228 238 251 264 289 300 314 "
            "325 333 343 354 370 386",
        ),
        test=_named(
            "hippocampus_",
            "007 024 035 041 048 056 068 088 095 106 132 143 154 161 169 180 195 212 223 230 242 252 268 290 301 316 "
            "327 334 345 356 372 387",
        ),
        iterations=1200,
        batch=2,
    ),
    Data(
        "brats2013",
        "Dataset083_BraTS2013Slices",
        "2d",
        validation=_named("BRATS_HG00", "03 06"),
        test=_named("BRATS_HG00", "02 08"),
        iterations=600,
    ),
    Data(
        "membranes",
        "Dataset120_EMMembrane",
        "2d",
        validation=_named("em_", "17 18 20"),
        test=_named("em_", "22 23 25 26 27 28"),  # the end of the stack: neighbouring slices are alike
        iterations=600,
        memory_gb=0.4,
    ),
    Data(
        "headneck",
        "Dataset201_HeadNeckCT",
        "3d_fullres",
        validation=_named("pt_", "115 222 319"),
        test=_named("pt_", "187 306 60"),
        iterations=800,
        memory_gb=1.0,
    ),
)


def dataset(name: str) -> Data:
    """Return the dataset of a name; raises `KeyError`."""
    return {data.name: data for data in DATASETS}[name]


@dataclass(frozen=True)
class Prepared:
    """The folders of a dataset without its test cases.

    Attributes:
        root: holds `raw/DATASET`, and `validation` and `test` with `images` and `labels` each.
        raw: training and validation cases in nnU-Net's raw layout, with the split that both sides take.
    """

    root: Path
    raw: Path

    def images(self, part: Part) -> Path:
        """Return the folder with the images of a part."""
        return self.root / part / "images"

    def labels(self, part: Part) -> Path:
        """Return the folder with the label maps of a part."""
        return self.root / part / "labels"


def prepare(data: Data, source: Path, root: Path) -> Prepared:
    """Link the files of a dataset into the folders that `Prepared` describes; does nothing where they are."""
    prepared = Prepared(root, root / "raw" / data.folder)
    if (prepared.raw / "dataset.json").exists():
        return prepared
    description = json.loads((source / "dataset.json").read_text())
    ending = description["file_ending"]
    names = sorted(path.name.removesuffix(ending) for path in (source / "labelsTr").glob(f"*{ending}"))
    seen = [name for name in names if name not in data.test]
    _link(source, seen, prepared.raw / "imagesTr", prepared.raw / "labelsTr")
    for part in PARTS:
        _link(source, data.cases(part), prepared.images(part), prepared.labels(part))
    (prepared.raw / "splits_final.json").write_text(json.dumps(splits(data, seen)))
    (prepared.raw / "dataset.json").write_text(json.dumps({**description, "numTraining": len(seen)}))
    return prepared


def splits(data: Data, names: Iterable[str]) -> list[dict[str, Any]]:
    """Return fold 0 of a dataset without its test cases, as in nnU-Net's `splits_final.json`."""
    train = [name for name in names if name not in (*data.validation, *data.test)]
    return [{"train": train, "val": list(data.validation)}]


def _link(source: Path, names: Iterable[str], images: Path, labels: Path) -> None:
    for folder, part in ((images, "imagesTr"), (labels, "labelsTr")):
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            pattern = f"{name}_[0-9][0-9][0-9][0-9].*" if part == "imagesTr" else f"{name}.*"
            for file in (source / part).glob(pattern):
                (folder / file.name).unlink(missing_ok=True)
                (folder / file.name).symlink_to(file.resolve())
