"""The state of the files of cases, which shows that a result is of files that have changed since."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug.dataset.dataset import CaseFiles
from nnplug.dataset.sidecars import state_files
from nnplug.runtime.digests import state_digest


def case_state(files: CaseFiles, depends_on: str = "") -> str:
    """Return a digest of the names, sizes and times of a case's images and label map.

    Args:
        files: the case.
        depends_on: text of everything else that a result depends on.
    """
    paths = [*files.images, *([] if files.label is None else [files.label])]
    return state_digest(state_files(paths, files.readers), depends_on)


def case_states(cases: Iterable[CaseFiles]) -> dict[str, str]:
    """Return name -> `case_state` of the cases whose images are there."""
    return {files.name: case_state(files) for files in cases if all(image.exists() for image in files.images)}
