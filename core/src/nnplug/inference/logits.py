"""The logits of a network for one image, on the network's grid: to be averaged, or stored in a small file.

Ensembles average probabilities on the image's grid, as nnU-Net does; nnU-Net stores them there with 4 bytes per voxel
and class. Here logits are stored on the network's grid. Their precision changes no probability on this grid by more
than 0.001, and no label:

* Softmax and linear interpolation do not change when the same volume is added to all classes, so the largest logit of
  each voxel becomes 0. Classes with similar logits are then close to 0, where floating point numbers are finest.
* 8 of float16's 10 binary digits are kept; the others are 0 and need no space after compression.
* The high bytes of all numbers come before the low bytes, so that similar bytes are neighbours.
"""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from nnplug.arrays import LabelArray
from nnplug.contracts import CropInverse, Inverse, Preprocessor
from nnplug.contracts.attributed.preprocessor import AttributedInverse
from nnplug.dataset.labels import Labels
from nnplug.errors import InvalidFile
from nnplug.io.crop_info import CropInfo
from nnplug.io.images import Geometry
from nnplug.registry.attribution import attributed
from nnplug.registry.loader import Plugins
from nnplug.registry.provenance import Provider, resolve
from nnplug.runtime.files import atomic_file
from nnplug.runtime.json_text import parse_json
from nnplug.runtime.memmap import memmapped
from nnplug.runtime.records import Record, check_schema

ENDING = ".logits.zip"
SCHEMA = 2
_RECORD = "logits.json"
_DROPPED_DIGITS = 2
_FAST = 1  # zlib's level; the slower 6 saves 5 %


class UsedPreprocessor(Record, frozen=True, kw_only=True):
    """The preprocessor with the inverse for stored logits.

    Attributes:
        provider: the provider of the component.
        options: the options of the component.
    """

    provider: Provider
    options: dict[str, Any]


@dataclass(frozen=True)
class Logits:
    """The logits of a model for one image, on the preprocessed grid.

    Attributes:
        values: (K, z, y, x) float32 on the network's grid.
        inverse: the mapping back to the image.
        regions: whether outputs are independent (sigmoid) rather than exclusive (softmax).
        preprocessor: the preprocessor that made the inverse; None for a `CropInverse`, which needs no plugin.
    """

    values: torch.Tensor
    inverse: Inverse
    regions: bool
    preprocessor: UsedPreprocessor | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape (K, z, y, x): the number of outputs, and the shape of the image."""
        return len(self.values), *self.inverse.shape

    def planes(self) -> Iterator[torch.Tensor]:
        """Yield probabilities (K, y, x) float32 for each z of the image. Each is valid until the next one is read."""
        return self.inverse.probability_planes(self.values, regions=self.regions)

    def label_map(self, labels: Labels) -> LabelArray:
        """Return the label map (z, y, x) of the image: the largest logit is the largest probability."""
        planes = self.values.unbind(1)
        return self.inverse.label_map(planes, len(planes), regions_class_order=labels.regions_class_order)

    def volumes(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the probability of each class or region in turn, (z, y, x) float32 in the image's geometry."""
        return self.inverse.probabilities(self.values, regions=self.regions)

    def memmapped(self, folder: Path) -> Logits:
        """Return the logits with memory-mapped values, in a nameless file on the folder's disk."""
        values = memmapped(self.values.shape, folder)
        values.copy_(self.values)
        return replace(self, values=values)


def background(geometry: Geometry, labels: Labels) -> Logits:
    """Return the logits of background for an image that is zero everywhere, since cropping leaves no voxel of it."""
    nothing = (0, 0)
    crop_info = CropInfo(
        original_shape=geometry.shape,
        original_spacing=geometry.spacing,
        transpose_forward=(0, 1, 2),
        bounding_box=(nothing, nothing, nothing),
        shape=(1, 1, 1),
        spacing=geometry.spacing,
    )
    return Logits(torch.zeros(labels.outputs, 1, 1, 1), CropInverse(crop_info, None), labels.has_regions)


class _CropRecord(Record, frozen=True, kw_only=True):
    """The content of `logits.json` in schema 1, with a `CropInverse`. The zip file has one more file per output."""

    schema: int = 1
    shape: tuple[int, int, int, int]
    crop_info: CropInfo = msgspec.field(name="frame")
    axis: int | None
    regions: bool

    def logits(self, values: torch.Tensor, plugins: Plugins, where: str) -> Logits:  # noqa: ARG002
        return Logits(values, CropInverse(self.crop_info, self.axis), self.regions)


class _InverseRecord(Record, frozen=True, kw_only=True):
    """The content of `logits.json` in schema 2, with an inverse that a preprocessor reads."""

    schema: int = 2
    shape: tuple[int, int, int, int]
    regions: bool
    preprocessor: UsedPreprocessor
    inverse: dict[str, Any]

    def logits(self, values: torch.Tensor, plugins: Plugins, where: str) -> Logits:
        provider = self.preprocessor.provider
        entries, _ = resolve([provider], plugins, what=where)
        made: Preprocessor = entries[provider.kind, provider.name].create(self.preprocessor.options)
        with attributed(made):
            inverse = AttributedInverse(made, made.read_inverse(self.inverse))
        return Logits(values, inverse, self.regions, self.preprocessor)


def _record(logits: Logits) -> _CropRecord | _InverseRecord:
    k, z, y, x = logits.values.shape
    shape, used, inverse = (k, z, y, x), logits.preprocessor, logits.inverse
    if isinstance(inverse, CropInverse):
        return _CropRecord(shape=shape, crop_info=inverse.crop_info, axis=inverse.axis, regions=logits.regions)
    assert used is not None, "an inverse of its own comes with its preprocessor"
    return _InverseRecord(shape=shape, regions=logits.regions, preprocessor=used, inverse=dict(inverse.data()))


def _read_record(data: Any, where: str) -> _CropRecord | _InverseRecord:
    check_schema(data, SCHEMA, where, what="logits file")
    return (_InverseRecord if "inverse" in data else _CropRecord).from_data(data, where)


def write_logits(path: Path, logits: Logits) -> None:
    """Write a zip file of JSON and compressed float16, atomically. One output is in memory at a time.

    Raises:
        NnplugError: the disk is full or the folder cannot be written.
    """
    values = logits.values
    highest = None if logits.regions else values.amax(0)
    record = _record(logits)
    with (
        atomic_file(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=_FAST) as archive,
    ):
        archive.writestr(_RECORD, json.dumps(record.data()))
        for output, volume in enumerate(values):
            archive.writestr(str(output), _packed(volume if highest is None else volume - highest))


def read_logits(path: Path, folder: Path, plugins: Plugins) -> Logits:
    """Return the logits in a file that `write_logits` wrote.

    Args:
        path: the file.
        folder: a folder on the disk for memory-mapped values, see `nnplug.runtime.memmap`.
        plugins: the plugins that offer the preprocessor; logits of nnU-Net's preprocessing do not need it.

    Raises:
        InvalidFile: the file is missing, damaged or of a newer nnplug.
        MissingProvider: the preprocessor that made the logits is not installed; the message has the remedy.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            record = _read_record(parse_json(archive.read(_RECORD)), str(path))
            _check_sizes(archive, record.shape)
            values = memmapped(record.shape, folder)
            for output, volume in enumerate(values):
                volume.copy_(_unpacked(archive.read(str(output)), volume.shape))
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InvalidFile(f"{path}: cannot be read as logits ({error}); predict the case again") from error
    return record.logits(values, plugins, str(path))


def _check_sizes(archive: zipfile.ZipFile, shape: Sequence[int]) -> None:
    """Raise `ValueError` or `KeyError` unless an archive has the outputs (K, z, y, x) float16 that its record says."""
    expected = 2 * math.prod(shape[1:])
    for output in range(shape[0]):
        if (size := archive.getinfo(str(output)).file_size) != expected or min(shape) < 1:
            raise ValueError(f"output {output} has {size} bytes, not those of the shape {tuple(shape)}")


def _packed(volume: torch.Tensor) -> bytes:
    """Return float16 bytes with `10 - _DROPPED_DIGITS` binary digits, all high bytes first."""
    limit = float(np.finfo(np.float16).max) / 2  # rounding up must not reach infinity
    bits = volume.clamp(-limit, limit).cpu().numpy().astype("<f2").view("<u2")
    half = 1 << (_DROPPED_DIGITS - 1)
    rounded = (bits + np.uint16(half)) >> _DROPPED_DIGITS << _DROPPED_DIGITS
    return np.ascontiguousarray(rounded.astype("<u2").view(np.uint8).reshape(-1, 2).T[::-1]).tobytes()


def _unpacked(data: bytes, shape: Sequence[int]) -> torch.Tensor:
    high, low = np.frombuffer(data, np.uint8).reshape(2, -1)
    return torch.from_numpy(np.stack([low, high], axis=1).view("<f2").astype(np.float32).reshape(tuple(shape)))
