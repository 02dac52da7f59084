"""An exported model: `model.json`, whose schema is `docs/export-schema.json`, and its ONNX files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from nnplug_runtime.faults import Fault
from nnplug_runtime.records import converted

SCHEMA = 1
MODEL = "model.json"
SCHEMES = ("zscore", "ct", "none", "rescale-0-1", "rgb-0-1")


@dataclass(frozen=True)
class Statistics:
    """The foreground intensities of the training, see `docs/export-schema.json`."""

    mean: float
    std: float
    percentile_00_5: float
    percentile_99_5: float


@dataclass(frozen=True)
class Channel:
    """A channel and its normalisation."""

    name: str
    scheme: str
    use_mask: bool
    statistics: Statistics | None = None


@dataclass(frozen=True)
class Interpolation:
    """The interpolation onto another grid."""

    order: int
    order_across: int
    anisotropy: float
    separate_slices: bool | None = None


@dataclass(frozen=True)
class Resampling:
    """The change to the grid of the network, and back."""

    grid: str
    image: Interpolation
    labels: Interpolation
    logits: Interpolation


@dataclass(frozen=True)
class Windows:
    """The windows in which an image is predicted."""

    patch_size: tuple[int, ...]
    step: float
    sigma: float
    truncate: float
    mirror_axes: tuple[int, ...]


@dataclass(frozen=True)
class Fold:
    """The network of a fold: a file in the folder of the export, with its SHA-256."""

    name: str
    file: str
    sha256: str


@dataclass(frozen=True)
class Stage:
    """A configuration with its folds, and the stage before it in a cascade."""

    configuration: str
    transpose: tuple[int, int, int]
    crop: str
    spacing: tuple[float, ...]
    median_spacing: tuple[float, float, float]
    channels: tuple[Channel, ...]
    resampling: Resampling
    windows: Windows
    previous_labels: tuple[int, ...]
    inputs: int
    outputs: int
    folds: tuple[Fold, ...]
    previous: Stage | None = None

    @property
    def dimensions(self) -> int:
        """The number of spatial axes of the network: 2 or 3."""
        return len(self.windows.patch_size)


@dataclass(frozen=True)
class Labels:
    """The classes or regions, and for regions the label value that each output paints."""

    values: Mapping[str, tuple[int, ...]]
    regions: bool
    paint: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Postprocessing:
    """The steps of the rule for label maps."""

    keep_largest: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Model:
    """An exported model."""

    format: str
    file_ending: str
    labels: Labels
    members: tuple[Stage, ...]
    postprocessing: Postprocessing | None = None
    orientations: Mapping[str, int] | None = None


def read_model(folder: Path, folds: Sequence[str] | None = None) -> Model:
    """Return the model in a folder, with some folds of each member; all files that it needs are verified.

    Args:
        folder: the folder that `nnplug model export-onnx` wrote.
        folds: the folds of each member; None for all. Previous stages keep all folds.

    Raises:
        Fault: there is no such model, it has another format, a fold is missing, or a file is missing or damaged.
    """
    path = folder / MODEL
    model = converted(_data(path), Model, f"{path}: model")
    if model.format != "onnx":
        raise Fault(f"{path}: has networks as {model.format}, not ONNX; export the model by nnplug model export-onnx")
    members = tuple(_chosen(member, folds, folder) for member in model.members)
    for member in members:
        for stage in stages(member):
            _check(stage, path)
            for fold in stage.folds:
                _verify(folder, fold)
    return replace(model, members=members)


def stages(stage: Stage | None) -> Iterator[Stage]:
    """Yield a stage and those before it."""
    while stage is not None:
        yield stage
        stage = stage.previous


def _data(path: Path) -> dict[str, object]:
    if not path.is_file():
        raise Fault(f"{path}: is missing; give a folder that nnplug model export-onnx has written")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise Fault(f"{path}: cannot be read as JSON ({error}); export the model again") from error
    if not isinstance(data, dict) or not isinstance(schema := data.get("schema"), int):
        raise Fault(f"{path}: is no export of nnplug ('schema' is missing)")
    if schema > SCHEMA:
        raise Fault(f"{path}: has schema {schema}, this nnplug-runtime reads up to {SCHEMA}; upgrade nnplug-runtime")
    return data


def _chosen(stage: Stage, folds: Sequence[str] | None, folder: Path) -> Stage:
    if folds is None:
        return stage
    there = {fold.name: fold for fold in stage.folds}
    if absent := [name for name in folds if name not in there]:
        raise Fault(f"{folder}: has no fold {absent[0]!r}; it has {', '.join(there)}")
    return replace(stage, folds=tuple(there[name] for name in dict.fromkeys(folds)))


def _check(stage: Stage, path: Path) -> None:
    """Raise `Fault` for values that this version does not know."""
    known = {
        "crop": (stage.crop, ("nonzero",)),
        "resampling.grid": (stage.resampling.grid, ("spacing", "own")),
        "resampling.logits.order": (stage.resampling.logits.order, (1,)),
        **{f"channels[{n}].scheme": (one.scheme, SCHEMES) for n, one in enumerate(stage.channels)},
        **{
            f"resampling.{name}.order_across": (one.order_across, (0,))
            for name, one in vars(stage.resampling).items()
            if isinstance(one, Interpolation)
        },
    }
    for key, (value, values) in known.items():
        if value not in values:
            raise Fault(
                f"{path}: {key} is {value!r}, this nnplug-runtime knows {', '.join(map(str, values))}; upgrade it"
            )


def _verify(folder: Path, fold: Fold) -> None:
    name = PurePosixPath(fold.file)
    if name.is_absolute() or ".." in name.parts or "\\" in fold.file or ":" in fold.file:
        raise Fault(f"{folder / MODEL}: holds {fold.file!r}, which leads out of the folder; do not trust it")
    path = folder / name
    if not path.is_file():
        raise Fault(f"{path}: is missing; export the model again")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != fold.sha256:
        raise Fault(f"{path}: has sha256 {found[:12]}.. instead of {fold.sha256[:12]}..; export the model again")
