"""Checkpoints of nnU-Net v2: reading runs no code from them; writing uses tensors and numbers only."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from nnplug.errors import InvalidFile
from nnplug.remedies import Action
from nnplug.runtime.files import atomic_file
from nnplug_nnunet.nnunet_models.vocabulary import need
from nnplug_nnunet.tensor_files import save_checkpoint

_SCALAR = np.float64(0).__reduce__()[0]  # numpy's function that makes scalars, which is public in no version

ALLOWED: tuple[Any, ...] = (
    (_SCALAR, "numpy._core.multiarray.scalar"),
    (_SCALAR, "numpy.core.multiarray.scalar"),  # its name in numpy 1
    np.dtype,
    *(type(np.dtype(code)) for code in ("f2", "f4", "f8", "i4", "i8", "?")),
)
"""The types that a checkpoint may hold besides torch's own safe list: the numbers that nnU-Net logs."""

TRAINER = "nnUNetTrainer"


@dataclass(frozen=True)
class Checkpoint:
    """The parts of a checkpoint that nnplug reads.

    Attributes:
        path: the file.
        weights: nnU-Net's state dict.
        configuration: the trained configuration.
        trainer: the trainer's class name; only recorded.
        epoch: number of trained epochs.
        mirror_axes: spatial axes mirrored in training.
    """

    path: Path
    weights: Mapping[str, torch.Tensor]
    configuration: str
    trainer: str
    epoch: int
    mirror_axes: tuple[int, ...]


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint without running any code from it.

    Raises:
        InvalidFile: the file is missing, damaged, needs more than `ALLOWED`, or is no checkpoint of nnU-Net v2.
    """
    data = load_safely(path)
    if not isinstance(data, dict) or not isinstance(data.get("network_weights"), dict):
        raise InvalidFile(f"{path}: no checkpoint of nnU-Net v2 ('network_weights' is missing)")
    return Checkpoint(
        path=path,
        weights=data["network_weights"],
        configuration=str(need(need(data, "init_args", str(path)), "configuration", str(path))),
        trainer=str(data.get("trainer_name")),
        epoch=int(data.get("current_epoch") or 0),
        mirror_axes=tuple(int(axis) for axis in data.get("inference_allowed_mirroring_axes") or ()),
    )


def write_checkpoint(
    path: Path,
    weights: Mapping[str, torch.Tensor],
    *,
    init_args: Mapping[str, Any],
    epoch: int,
    mirror_axes: tuple[int, ...],
    trainer: str = TRAINER,
) -> None:
    """Write a checkpoint that nnU-Net v2 can predict with; it holds tensors, strings and numbers only."""
    data = {
        "network_weights": dict(weights),
        "optimizer_state": {},
        "grad_scaler_state": None,
        "logging": {},
        "_best_ema": None,
        "current_epoch": epoch,
        "init_args": dict(init_args),
        "trainer_name": trainer,
        "inference_allowed_mirroring_axes": mirror_axes or None,
    }
    with atomic_file(path) as temporary:
        save_checkpoint(data, temporary)


def load_safely(path: Path) -> Any:
    """Return the content of a file of torch: tensors, numbers and containers; no code of it is run.

    Raises:
        InvalidFile: the file is missing or damaged, or needs more than `ALLOWED`.
    """
    if not path.is_file():
        raise InvalidFile(f"{path}: no such file", Action.CHOOSE_CHECKPOINT())
    try:
        _check_sums(path)
        with safe_globals(list(ALLOWED)):
            # without mmap: a mapped tensor that is longer than its record has whatever follows in the file
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InvalidFile(
            f"{path}: holds {_unsafe(path)}, which nnplug does not run. Do not trust the file, or save a "
            "checkpoint of tensors and numbers only."
        ) from error
    except Exception as error:
        raise InvalidFile(f"{path}: truncated or damaged, or no checkpoint that torch reads; copy it again") from error


def _check_sums(path: Path) -> None:
    """Raise `BadZipFile` unless every record has its checksum, which torch does not compare."""
    with zipfile.ZipFile(path) as archive:
        if (damaged := archive.testzip()) is not None:
            raise zipfile.BadZipFile(f"{damaged} is damaged")


def _unsafe(path: Path) -> str:
    """Return the names that the checkpoint would import."""
    with safe_globals(list(ALLOWED)):
        try:
            return ", ".join(sorted(get_unsafe_globals_in_checkpoint(path))) or "objects"
        except Exception:  # noqa: BLE001 - as above
            return "objects, or damaged bytes"
