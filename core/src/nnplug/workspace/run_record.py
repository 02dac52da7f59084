"""The record of a training run: enough to judge it, repeat it and continue it."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any, Self

from nnplug.errors import InvalidFile
from nnplug.registry.provenance import Provider
from nnplug.runtime.files import read_json
from nnplug.runtime.records import Record

SCHEMA = 1


class Pretrained(Record, frozen=True, kw_only=True):
    """The model whose weights a training began with.

    Attributes:
        model: where it was found.
        sha256: of the weights file.
    """

    model: str
    sha256: str


class RunRecord(Record, frozen=True, kw_only=True):
    """`run.json` of a run folder; copies of `plans.json` and `dataset.json` beside it make the folder self-contained.

    Attributes:
        schema: version of this layout.
        dataset: the dataset's name.
        plans: the name of the plans.
        plans_digest: `Plans.digest()` of the plans that the run was started with.
        configuration: the trained configuration.
        fold: a number, or "all".
        seed: of every random draw.
        command: what was typed, word by word.
        providers: which component of which distribution each name meant.
        versions: "python" and distributions -> version.
        mirror_axes: spatial axes mirrored in training, and so in prediction.
        training: names of the cases that were learned from.
        validation: names of the cases that were watched.
        created: when the run began, ISO 8601 with the offset from UTC.
        pretrained: what the training began with, None for random weights.
        extended: what was changed each time the finished run went on, such as "choices.trainer.options.KEY: 20 instead
            of 10".
        previous: in a cascade, fold of the previous stage -> digest of the weights whose predictions it learned from.
        prepared: the configuration whose preprocessed cases it learned from, of all that share them; None in older
            records, whose plans say it.
    """

    schema: int = SCHEMA
    dataset: str
    plans: str
    plans_digest: str
    configuration: str
    fold: int | str
    seed: int
    command: tuple[str, ...]
    providers: tuple[Provider, ...]
    versions: dict[str, str]
    mirror_axes: tuple[int, ...]
    training: tuple[str, ...]
    validation: tuple[str, ...]
    created: str
    pretrained: Pretrained | None = None
    extended: tuple[str, ...] = ()
    previous: dict[str, str] | None = None
    prepared: str | None = None

    @classmethod
    def from_data(cls, data: Any, where: str) -> Self:
        """Build from JSON.

        Raises:
            InvalidFile: the schema is newer, or a key is unknown, missing or ill-typed.
        """
        check_schema(data, SCHEMA, where, what="run")
        return super().from_data(data, where)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read `run.json`; raises `InvalidFile` as `from_data` does."""
        return cls.from_data(read_json(path), str(path))


def check_schema(data: Any, newest: int, where: str, *, what: str) -> None:
    """Refuse a JSON object without a `schema`, or with one that a newer nnplug wrote.

    Raises:
        InvalidFile: as said; the message names `where` and `what` the file should describe.
    """
    schema = data.get("schema") if isinstance(data, dict) else None
    if not isinstance(schema, int):
        raise InvalidFile(f"{where}: no {what} of nnplug ('schema' is missing)")
    if schema > newest:
        raise InvalidFile(f"{where}: {what} has schema {schema}, this nnplug reads up to {newest}. Upgrade nnplug.")


def installed_versions(providers: Iterable[Provider]) -> dict[str, str]:
    """The versions that a record holds: Python, torch, numpy, the core and every distribution that provides."""
    names = {"torch", "numpy", "nnplug-core", *(provider.distribution for provider in providers)}
    return {"python": python_version(), **{name: version(name) for name in sorted(names)}}
