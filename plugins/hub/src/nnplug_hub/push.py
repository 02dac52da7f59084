"""Push a bundle and its model card to a repository of the Hub, as one commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nnplug.errors import NnplugError
from nnplug.models.bundle_files import INDEX
from nnplug_hub.card import model_card
from nnplug_hub.failures import explained
from nnplug_hub.reference import Reference

if TYPE_CHECKING:
    from nnplug.models.ensemble_bundle import AnyBundle

CARD = "README.md"


@dataclass(frozen=True)
class PushOptions:
    """The choices of a push.

    Attributes:
        private: whether a repository that is made now is private.
        keep_card: whether a README.md of the repository is kept.
        summary: the content of a `summary.json` with the scores for the card; None without scores.
    """

    private: bool = False
    keep_card: bool = False
    summary: Mapping[str, Any] | None = None


def push_bundle(bundle: AnyBundle, reference: Reference, options: PushOptions) -> Reference:
    """Push a verified bundle, and return the reference with the commit. The repository is made if it is missing.

    Raises:
        NnplugError: the reference has a revision, or the Hub refuses or cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    if reference.revision is not None:
        raise NnplugError(f"{reference}: a push makes a revision of its own; leave out @{reference.revision}")
    api = HfApi(library_name="nnplug")
    operations = [CommitOperationAdd(name, str(bundle.folder / name)) for name in (INDEX, *bundle.record.sha256)]
    with explained(reference):
        api.create_repo(reference.repository, private=options.private or None, exist_ok=True)
        if not (options.keep_card and api.file_exists(reference.repository, CARD)):
            card = model_card(bundle, reference, options.summary)
            operations.append(CommitOperationAdd(CARD, card.encode()))
        done = api.create_commit(reference.repository, operations, commit_message="Push a bundle of nnplug")
    return replace(reference, revision=done.oid)
