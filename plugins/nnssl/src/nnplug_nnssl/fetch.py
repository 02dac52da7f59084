"""Checkpoints by their name on the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path

from nnplug.errors import NnplugError
from nnplug_hub.failures import explained
from nnplug_hub.reference import SCHEME, Reference, parse_reference

FILE = "checkpoint_final.pth"
SITE = "https://huggingface.co/"


def hub_reference(text: str) -> Reference | None:
    """Return the model that hf:OWNER/NAME or its address names; None for a path.

    Raises:
        NnplugError: the text has another form.
    """
    if text.startswith(SITE):
        return parse_reference(text.removeprefix(SITE).strip("/"))
    return parse_reference(text) if text.startswith(f"{SCHEME}:") else None


def local_checkpoint(text: str, folder: Path | None = None) -> Path:
    """Return the file of a checkpoint; one of the Hub is downloaded once.

    The file is a pickle. `read_pretraining` reads it without running code from it.

    Args:
        text: a file, hf:OWNER/NAME, or the model's address on the Hub.
        folder: the folder for downloads; None for the cache of the Hub's library.

    Raises:
        NnplugError: there is no such file or model.
    """
    reference = hub_reference(text)
    if reference is None:
        if not Path(text).is_file():
            raise NnplugError(f"{text}: no such file; give a checkpoint of nnssl, or {SCHEME}:OWNER/NAME")
        return Path(text)
    from huggingface_hub import HfApi

    own = None if folder is None else folder / reference.repository.replace("/", "_")
    with explained(reference):
        api = HfApi(library_name="nnplug")
        return Path(api.hf_hub_download(reference.repository, FILE, revision=reference.revision, local_dir=own))
