"""The names of label maps in a BIDS derivative, made from the names of cases and images."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.file_names import stem

_ANAT = ("sub", "ses", "task", "acq", "ce", "rec", "run", "echo", "part", "chunk")
ENTITIES: Mapping[str, tuple[str, ...]] = {
    "anat": _ANAT,
    "func": ("sub", "ses", "task", "acq", "ce", "rec", "dir", "run", "echo", "part", "chunk"),
    "dwi": ("sub", "ses", "acq", "rec", "dir", "run", "part", "chunk"),
}
"""Folder of images -> the entities of a source that its label maps (dseg) may have, in the order of BIDS 1.11."""

ORIGINAL = "orig"
"""The space of an image that no program has moved."""


@dataclass(frozen=True)
class BidsName:
    """The place of a case in a derivative.

    Attributes:
        entities: key -> value of the source, in the order of BIDS, with "sub" and without those of derivatives.
        space: the space of the image.
        folder: "anat", "func" or "dwi".
        made: whether the subject is made from the name of the case, which is no name of BIDS.
    """

    entities: Mapping[str, str]
    space: str
    folder: str
    made: bool

    @property
    def participant(self) -> str:
        """The subject, such as "sub-01"."""
        return f"sub-{self.entities['sub']}"

    def path(self, desc: str, ending: str) -> str:
        """Return the path of a label map (dseg) or of another file with its name, relative to the derivative."""
        words = {**self.entities, "space": self.space, "desc": desc}
        name = "_".join([*(f"{key}-{value}" for key, value in words.items()), "dseg"])
        session = [f"ses-{self.entities['ses']}"] if "ses" in self.entities else []
        return "/".join([self.participant, *session, self.folder, f"{name}{ending}"])


def bids_name(case: CaseFiles) -> BidsName:
    """Return the place of a case: from its name, or that of its first image, if that is one of BIDS.

    For another name, the subject is the name without all characters that are no letters or digits of ASCII.
    """
    image = case.images[0]
    own = entities_of(case.name) or entities_of(re.sub(r"_[0-9]{4}$", "", stem(image, case.readers)))
    stored = entities_of(re.sub(r"_[0-9]{4}$", "", stem(image, case.readers))) or {}
    entities = own or {"sub": _label(case.name)}
    folder = image.parent.name if image.parent.name in ENTITIES else "anat"
    if folder == "func" and "task" not in entities:
        folder = "anat"
    kept = {key: entities[key] for key in ENTITIES[folder] if key in entities}
    space = entities.get("space", stored.get("space", ORIGINAL))
    return BidsName(kept, space, folder, made=not own)


def entities_of(name: str) -> dict[str, str] | None:
    """Return key -> value of a name of BIDS, with or without a suffix such as "T1w"; None for other names."""
    words = name.split("_")
    if len(words) > 1 and words[-1].isalnum():
        words.pop()
    matches = [re.fullmatch(r"([a-z]+)-([A-Za-z0-9]+)", word) for word in words]
    found = {match[1]: match[2] for match in matches if match}
    return found if len(found) == len(words) and "sub" in found else None


def _label(name: str) -> str:
    """Return a name as a label of BIDS; a digest for a name without letters and digits of ASCII."""
    return re.sub(r"[^A-Za-z0-9]", "", name) or hashlib.sha256(name.encode()).hexdigest()[:8]


def source_root(image: Path) -> Path:
    """Return the BIDS dataset of an image, the nearest folder with dataset_description.json, or else its folder."""
    folders = image.absolute().parents
    return next((folder for folder in folders if (folder / "dataset_description.json").is_file()), folders[0])
