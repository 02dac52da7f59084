"""The component `bids` of kind writer: predictions as a BIDS derivative."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nnplug.contracts import DatasetWriter, PredictedCase, PredictingModel
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.io.images import write_label
from nnplug.runtime.json_files import write_json
from nnplug_layouts import bids_shared
from nnplug_layouts.bids_names import bids_name

_MADE = (
    "the images have no names of BIDS: subjects are called after the cases, by their letters and digits; "
    "participants.tsv has the names of the cases"
)
_ENDING = ".nii.gz"


@dataclass(frozen=True)
class BidsWriter(DatasetWriter):
    """A writer of `sub-01/anat/sub-01_space-orig_desc-nnplug_dseg.nii.gz`, with all that a BIDS derivative needs.

    Attributes:
        desc: the value of the entity desc, which tells the label maps of several models apart; letters and digits.
    """

    desc: str = "nnplug"

    def __post_init__(self) -> None:
        """Raise `ValueError` unless `desc` is a label of BIDS."""
        if not (self.desc.isascii() and self.desc.isalnum()):
            raise ValueError(f"desc is {self.desc!r}; expected letters and digits")

    def check(self, case: CaseFiles, description: DatasetDescription) -> tuple[str, ...]:  # noqa: ARG002
        """See `Writer.check`."""
        return (_MADE,) if bids_name(case).made else ()

    def files(self, case: CaseFiles, description: DatasetDescription) -> tuple[str, ...]:  # noqa: ARG002
        """Return the label map and its sidecar file, see `nnplug.contracts.DatasetWriter`."""
        name = bids_name(case)
        return name.path(self.desc, _ENDING), name.path(self.desc, ".json")

    def shared_files(self) -> tuple[str, ...]:
        """See `nnplug.contracts.DatasetWriter`."""
        return bids_shared.DESCRIPTION, self._lookup, "participants.tsv", "participants.json", ".bidsignore"

    @property
    def _lookup(self) -> str:
        return f"desc-{self.desc}_dseg.tsv"

    def shared(
        self, folder: Path, there: Mapping[str, str], case: CaseFiles, model: PredictingModel
    ) -> Mapping[str, str]:
        """See `nnplug.contracts.DatasetWriter`."""
        text = {name: there.get(name, "") for name in self.shared_files()}
        description, lookup, table, columns, ignore = self.shared_files()
        return {
            description: bids_shared.described(text[description], folder, case, model),
            lookup: bids_shared.lookup(text[lookup], folder / lookup, model.description),
            table: bids_shared.participants(text[table], folder / table, case),
            columns: bids_shared.explained_participants(text[columns], folder / columns),
            ignore: bids_shared.ignored(text[ignore]),
        }

    def write(self, path: Path, predicted: PredictedCase) -> None:
        """Write the label map and its sidecar file into the folder of the derivative, see `Writer.write`."""
        label_map, sidecar = (path / name for name in self.files(predicted.case, predicted.description))
        described = (path / bids_shared.DESCRIPTION).read_text(encoding="utf-8-sig")
        sources = bids_shared.source_uris(described, path, predicted.case.images)
        write_label(label_map, predicted.label_map.array, predicted.label_map.geometry)
        write_json(
            sidecar,
            {
                "Description": f"Label map by {predicted.model}, version {predicted.model_version}",
                "Sources": sources,
                "SpatialReference": sources[0],
                "Manual": False,
            },
        )

    def example(self, folder: Path) -> CaseFiles:
        """See `Writer.example`."""
        from nnplug_layouts.example import write_images  # its samples import torch

        image = folder / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
        write_images(image, None, 0)
        return CaseFiles("sub-01", (image,))
