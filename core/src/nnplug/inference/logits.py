"""What a network says of one image, on its own grid: to be averaged with what others say, or kept in a small file.

Ensembles average probabilities on the image's grid, as nnU-Net does, which stores them there in 4 bytes per voxel and
class. Here logits are stored on the network's grid, to a precision that moves no probability there by more than 0.001
and the label of no voxel there:

* Softmax and linear interpolation do not change when the same volume is added to all classes, so the largest logit of
  each voxel becomes 0. What competes near a border is then close to 0, where floating point numbers are finest.
* Of float16's 10 digits 8 are kept; the rest is 0 and costs nothing when compressed.
* The high bytes of all numbers come before the low ones, so that neighbours that are alike stand together.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
import torch

from nnplug.dataset.labels import Labels
from nnplug.errors import InvalidFile
from nnplug.io.crop_info import CropInfo
from nnplug.io.images import Geometry
from nnplug.ops import export
from nnplug.runtime.files import atomic_file
from nnplug.runtime.memmap import memmapped
from nnplug.runtime.records import Record
from nnplug.workspace.run_record import check_schema

ENDING = ".logits.zip"
SCHEMA = 1
_RECORD = "logits.json"
_DROPPED_DIGITS = 2
_FAST = 1  # zlib's level; the slower 6 saves 5 %


@dataclass(frozen=True)
class Logits:
    """A model's output for one image.

    Attributes:
        values: (K, z, y, x) float32 on the network's grid, axes transposed as the plans say.
        crop_info: the way back to the image.
        axis: the transposed axis across which slices are taken one by one, see `nnplug.ops.resample.separated_axis`.
        regions: whether outputs are independent (sigmoid) rather than exclusive (softmax).
    """

    values: torch.Tensor
    crop_info: CropInfo
    axis: int | None
    regions: bool

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Outputs, and (z, y, x) of the image."""
        return len(self.values), *self.crop_info.original_shape

    def planes(self) -> Iterator[torch.Tensor]:
        """Probabilities (K, y, x) float32 of one slice of the image after the other, valid until the next.

        Outside the crop the background has probability 1 and all else 0, as in nnU-Net's files.
        """
        back = np.argsort(self.crop_info.transpose_forward)
        values = self.values.permute(0, *(int(axis) + 1 for axis in back))
        box = [self.crop_info.bounding_box[axis] for axis in back]
        (top, bottom), (y0, y1), (x0, x1) = box
        axis = None if self.axis is None else self.crop_info.transpose_forward[self.axis]
        inside = export.probability_planes(values, (bottom - top, y1 - y0, x1 - x0), axis=axis, regions=self.regions)
        depth, *plane_shape = self.crop_info.original_shape
        plane = torch.empty(len(values), *plane_shape, device=values.device)
        for z in range(depth):
            plane.zero_()
            plane[0] = float(not self.regions)
            if top <= z < bottom:
                plane[:, y0:y1, x0:x1] = next(inside)
            yield plane

    def memmapped(self, folder: Path) -> Logits:
        """The same with its values in a nameless file on the folder's disk instead of in memory."""
        values = memmapped(self.values.shape, folder)
        values.copy_(self.values)
        return replace(self, values=values)


def background(geometry: Geometry, labels: Labels) -> Logits:
    """What is said of an image that is zero everywhere: nothing of it is left after cropping."""
    nothing = (0, 0)
    crop_info = CropInfo(
        original_shape=geometry.shape,
        original_spacing=geometry.spacing,
        transpose_forward=(0, 1, 2),
        bounding_box=(nothing, nothing, nothing),
        shape=(1, 1, 1),
        spacing=geometry.spacing,
    )
    return Logits(torch.zeros(labels.outputs, 1, 1, 1), crop_info, None, labels.has_regions)


class _LogitsRecord(Record, frozen=True, kw_only=True):
    """`logits.json` of the zip; beside it lies a file per output, called "0", "1" .."""

    schema: int = SCHEMA
    shape: tuple[int, int, int, int]
    crop_info: CropInfo = msgspec.field(name="frame")
    axis: int | None
    regions: bool

    @classmethod
    def from_data(cls, data: Any, where: str) -> Self:
        """Build from JSON; raises `InvalidFile` for a newer schema and for what does not belong there."""
        check_schema(data, SCHEMA, where, what="logits file")
        return super().from_data(data, where)


def write_logits(path: Path, logits: Logits) -> None:
    """Write a zip of JSON and compressed float16, atomically; one output is held in memory at a time.

    Raises:
        NnplugError: the disk is full or the place cannot be written.
    """
    values = logits.values
    highest = None if logits.regions else values.amax(0)
    k, z, y, x = values.shape
    record = _LogitsRecord(shape=(k, z, y, x), crop_info=logits.crop_info, axis=logits.axis, regions=logits.regions)
    with (
        atomic_file(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=_FAST) as archive,
    ):
        archive.writestr(_RECORD, json.dumps(record.data()))
        for output, volume in enumerate(values):
            archive.writestr(str(output), _packed(volume if highest is None else volume - highest))


def read_logits(path: Path, folder: Path) -> Logits:
    """Read what `write_logits` wrote.

    Args:
        path: of the file.
        folder: on whose disk the values may wait, see `nnplug.runtime.memmap`.

    Raises:
        InvalidFile: the file is missing, damaged or of a newer nnplug.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            record = _LogitsRecord.from_data(json.loads(archive.read(_RECORD)), str(path))
            values = memmapped(record.shape, folder)
            for output, volume in enumerate(values):
                volume.copy_(_unpacked(archive.read(str(output)), volume.shape))
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InvalidFile(f"{path}: cannot be read as logits ({error}); predict the case again") from error
    return Logits(values, record.crop_info, record.axis, record.regions)


def _packed(volume: torch.Tensor) -> bytes:
    """Float16 to `10 - _DROPPED_DIGITS` binary digits, all high bytes first."""
    limit = float(np.finfo(np.float16).max) / 2  # rounding up must not reach infinity
    bits = volume.clamp(-limit, limit).cpu().numpy().astype("<f2").view("<u2")
    half = 1 << (_DROPPED_DIGITS - 1)
    rounded = (bits + np.uint16(half)) >> _DROPPED_DIGITS << _DROPPED_DIGITS
    return np.ascontiguousarray(rounded.astype("<u2").view(np.uint8).reshape(-1, 2).T[::-1]).tobytes()


def _unpacked(data: bytes, shape: Sequence[int]) -> torch.Tensor:
    high, low = np.frombuffer(data, np.uint8).reshape(2, -1)
    return torch.from_numpy(np.stack([low, high], axis=1).view("<f2").astype(np.float32).reshape(tuple(shape)))
