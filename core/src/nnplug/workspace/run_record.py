"""The record of a run, from which it can be judged, repeated and continued."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Literal

from nnplug.registry.provenance import Provider
from nnplug.runtime.records import Record, VersionedRecord

SCHEMA = 1

Precision = Literal["float32", "bfloat16", "float16"]
"""The dtype of a network's convolutions."""


class Pretrained(Record, frozen=True, kw_only=True):
    """The model whose weights a training started from.

    Attributes:
        model: the path of the model.
        sha256: the SHA-256 of the weights file.
        citations: the papers that the authors of the weights ask users to cite; None if the model names none.
    """

    model: str
    sha256: str
    citations: tuple[str, ...] | None = None


class Continued(Record, frozen=True, kw_only=True):
    """The versions that a run went on with.

    Attributes:
        first_epoch: the first epoch that they trained, counted from 0.
        versions: as in `RunRecord`.
    """

    first_epoch: int
    versions: dict[str, str]


class RunRecord(VersionedRecord, frozen=True, kw_only=True):
    """The content of `run.json`. Copies of `plans.json` and `dataset.json` make the run folder self-contained.

    Attributes:
        schema: version of this layout.
        dataset: the dataset's name.
        plans: the name of the plans.
        plans_digest: `Plans.digest()` of the plans at the start of the run.
        configuration: the trained configuration.
        fold: a number, or "all".
        seed: the seed that every random draw derives from.
        command: the words of the command line.
        providers: the component and distribution that each name meant.
        versions: "python" and distributions -> version, at the start of the run. Of components that
            trained it, they include the distributions of base classes.
        mirror_axes: the spatial axes that are mirrored in training and in prediction.
        training: names of the training cases.
        validation: names of the validation cases.
        created: the start of the run, ISO 8601 with the offset from UTC.
        pretrained: the model whose weights the training started from; None for random weights.
        extended: the changes of each extension of the finished run, such as "choices.trainer.options.KEY: 20 instead
            of 10".
        previous: in a cascade, fold of the previous stage -> digest of the weights that predicted the run's input.
        prepared: the configuration that the preprocessed cases are stored under; None in older records, whose plans
            decide it.
        continued: each change of versions in the run; None if the same ones trained all epochs.
        precision: the dtype of convolutions in the latest training; None in older records, and for trainers that do not
            call `TrainingTask.accelerate`.
        threads: the number of threads of an operation on the CPU in the latest training there; None on other devices,
            in older records, and for trainers as above.
        unlabelled: names of the images without label maps; None if the trainer takes none.
        epochs: the number of epochs of the whole training, each a line of the log; None in older records.
        files: case -> digest of its files at the start, see `nnplug.dataset.case_contents`; None in older records.
    """

    NEWEST = SCHEMA
    WHAT = "run"

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
    continued: tuple[Continued, ...] | None = None
    precision: Precision | None = None
    threads: int | None = None
    unlabelled: tuple[str, ...] | None = None
    epochs: int | None = None
    files: dict[str, str] | None = None


def installed_versions(providers: Iterable[Provider]) -> dict[str, str]:
    """Return the versions of Python, torch, numpy, the core and every distribution among the providers."""
    used = {provider.distribution: provider.version for provider in providers}
    for name in ("torch", "numpy", "nnplug-core", *used):
        with suppress(PackageNotFoundError):  # of a kind that the caller does not use
            used[name] = version(name)
    return {"python": python_version(), **{name: used[name] for name in sorted(used)}}
