"""The folders that a user's words name: a dataset, and the workspace. Completion in a shell calls them: it is light."""

from __future__ import annotations

import os
from pathlib import Path


def dataset_folder(reference: str | Path) -> Path:
    """Return the folder that a path names, or the folder of an id or name in the folder of raw datasets.

    The environment variable `nnUNet_raw` names the folder of raw datasets, as in nnU-Net.

    Raises:
        NnplugError: there is none; see `nnplug.dataset.dataset.find_dataset`.
    """
    from nnplug.dataset.dataset import find_dataset

    raw = os.environ.get("nnUNet_raw")  # noqa: SIM112 - nnU-Net's own spelling
    return find_dataset(str(reference), Path(raw) if raw else None)


def workspace_root(given: str | Path | None = None) -> Path:
    """Return the workspace: the given folder, else NNPLUG_WORKSPACE, in which "~" is the home, else ./nnplug-work.

    The path is absolute, because jobs on a cluster run in other folders.
    """
    named = os.environ.get("NNPLUG_WORKSPACE")
    return Path(given or (named and Path(named).expanduser()) or "nnplug-work").absolute()
