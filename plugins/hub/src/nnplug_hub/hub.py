"""The hub `hf`: fetch a bundle, and nothing else, from a repository of the Hugging Face Hub."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from nnplug.contracts import Hub
from nnplug.errors import NnplugError
from nnplug.models.bundle_files import INDEX, check_file_name
from nnplug.runtime.files import atomic_folder
from nnplug.runtime.json_files import read_object
from nnplug_hub.failures import explained
from nnplug_hub.reference import Reference, parse_reference

if TYPE_CHECKING:
    from huggingface_hub import HfApi

PICKLES = (".pt", ".pth", ".bin", ".pkl")
"""Endings of files that could run code when they are read."""


class HuggingFaceHub(Hub):
    """Fetch the bundles of repositories into the cache of the Hub's library."""

    def fetch(self, reference: str) -> Path:
        """Return the folder of a bundle in the cache; each file is downloaded once.

        Only `bundle.json` and the files that it lists are downloaded.

        Raises:
            NnplugError: the repository has no bundle, has pickles in its place, or cannot be read.
        """
        from huggingface_hub import HfApi

        named, api = parse_reference(reference), HfApi(library_name="nnplug")
        with explained(named):
            index = _index(api, named)
            listed = read_object(index).get("sha256")
            names = sorted(listed) if isinstance(listed, dict) else []
            for name in names:
                check_file_name(name, index)  # before anything else is downloaded
            commit = index.parent.name
            folder = _cache() / named.repository.replace("/", "--") / commit
            if not (folder / INDEX).is_file():
                files = {name: _download(api, named, name, commit) for name in names}
                _fill(folder, {**files, INDEX: index})
        return folder


def _index(api: HfApi, reference: Reference) -> Path:
    from huggingface_hub.errors import RemoteEntryNotFoundError

    try:
        return _download(api, reference, INDEX, reference.revision)
    except RemoteEntryNotFoundError as error:
        there = api.model_info(reference.repository, revision=reference.revision).siblings or ()
        pickles = sorted(one.rfilename for one in there if one.rfilename.endswith(PICKLES))
        if pickles:
            raise NnplugError(
                f"{reference}: is no bundle but has {pickles[0]}, a pickle, which could run code; nothing is downloaded"
            ) from error
        raise NnplugError(f"{reference}: is no bundle of nnplug ({INDEX} is missing)") from error


def _download(api: HfApi, reference: Reference, name: str, revision: str | None) -> Path:
    """Return the file in the cache, where it is a link in the folder of its commit."""
    return Path(api.hf_hub_download(reference.repository, name, revision=revision))


def _cache() -> Path:
    """Return the folder of fetched bundles. The library's own cache has links, which a bundle may not have."""
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / "nnplug"


def _fill(folder: Path, files: dict[str, Path]) -> None:
    """Make the folder of a bundle of hard links to files, or of copies where the disk has no links."""
    with atomic_folder(folder) as temporary:
        for name, source in files.items():
            target = temporary / name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source.resolve(), target)
            except OSError:
                shutil.copyfile(source, target)
