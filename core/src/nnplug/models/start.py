"""The start of a training: a bundle that holds weights for a part of a network only, such as a pretrained encoder."""

from __future__ import annotations

from pathlib import Path

from nnplug.errors import NnplugError
from nnplug.remedies import Action
from nnplug.runtime.records import Record


class Start(Record, frozen=True, kw_only=True):
    """The origin of the weights of a start. A training initialises the other parameters from its seed.

    Attributes:
        source: the file or the model that the weights come from.
        sha256: the SHA-256 of that file.
        citations: the papers that its authors ask users to cite, a text each.
    """

    source: str
    sha256: str
    citations: tuple[str, ...] = ()


def refuse_start(path: Path, start: Start | None) -> None:
    """Raise if a bundle is only the start of a training.

    Raises:
        NnplugError: it is; the message names `path`.
    """
    if start is not None:
        raise NnplugError(
            f"{path}: is the start of a training, with weights of a part of the network",
            Action.TRAIN_FROM(model=path),
        )
