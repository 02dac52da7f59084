"""The content of `dataset.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from nnplug.dataset.description_faults import (
    READER_KEYS,
    channel_names,
    description_faults,
    file_ending,
    listed_files,
    training_count,
)
from nnplug.dataset.labels import IGNORE, Labels
from nnplug.errors import InvalidDescription, InvalidFile
from nnplug.io.readers import Readers, readers_or_core
from nnplug.remedies import Action
from nnplug.runtime.json_files import read_json_once


@dataclass(frozen=True)
class DatasetDescription:
    """The checked content of `dataset.json`.

    Attributes:
        channel_names: one name per channel, in the order of the channels.
        labels: classes or regions.
        file_ending: with the leading dot.
        training_cases: `numTraining` of the file.
        files: case name -> its "images" and "label" as paths relative to the dataset; None if the file does not list
            them.
        raw: the whole object. It is stored with the model, with the keys that nnplug does not use.
    """

    channel_names: tuple[str, ...]
    labels: Labels
    file_ending: str
    training_cases: int
    files: Mapping[str, Mapping[str, Any]] | None
    raw: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the description in a `dataset.json`.

        Raises:
            InvalidFile: the file cannot be read, has a key twice, or as in `from_data`.
        """
        return cls.from_data(read_json_once(path), str(path))

    @classmethod
    def from_data(cls, raw: Any, where: str) -> Self:
        """Return the description made from the result of `json.loads`.

        Raises:
            InvalidFile: keys are missing or have invalid values; a line per fault names `where` and the value.
        """
        if not isinstance(raw, dict):
            raise InvalidFile(f"{where}: expected an object with channel_names, labels, numTraining and file_ending")
        if "modality" in raw and "channel_names" not in raw:
            raise InvalidFile(
                f'{where}: is a dataset.json of nnU-Net v1 ("modality" instead of "channel_names")',
                Action.CONVERT_V1(),
            )
        if faults := description_faults(raw, where):
            raise InvalidDescription(faults)
        return cls(
            channel_names=channel_names(raw["channel_names"], where),
            labels=Labels.from_data(raw["labels"], raw.get("regions_class_order"), where),
            file_ending=file_ending(raw["file_ending"], where),
            training_cases=training_count(raw["numTraining"], where),
            files=listed_files(raw, where),
            raw=raw,
        )

    @property
    def reader(self) -> str | None:
        """The reader that the file names, in words of nnplug or nnU-Net; None to choose it by `file_ending`."""
        return next((name for key in READER_KEYS if (name := self.raw.get(key, "None")) != "None"), None)

    def readers(self, readers: Readers | None, where: str) -> Readers:
        """Return readers that prefer the one of this dataset; `where` is the file of the description, for messages.

        Raises:
            InvalidFile: no reader has the name in the file, or reads its endings.
            AmbiguousComponent: several readers do, and the file names none.
        """
        return readers_or_core(readers).for_dataset(self.reader, self.file_ending, where)

    def without_regions(self) -> Self:
        """Return the description with one class per label value instead of regions; without regions, `self`."""
        if not self.labels.has_regions:
            return self
        ignored = {} if self.labels.ignore is None else {IGNORE: self.labels.ignore}
        classes = {f"label {value}": value for value in self.labels.foreground_values}
        raw = {key: value for key, value in self.raw.items() if key != "regions_class_order"}
        return self.from_data({**raw, "labels": {"background": 0, **classes, **ignored}}, "dataset.json")
