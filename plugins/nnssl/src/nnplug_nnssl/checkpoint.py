"""Read a checkpoint of nnssl without running code from it: weights, adaptation plan and citations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch

from nnplug.errors import InvalidFile
from nnplug.runtime.digests import sha256
from nnplug.runtime.records import converted
from nnplug_nnunet.nnunet_models.checkpoint import load_safely

WEIGHTS, PLAN = "network_weights", "nnssl_adaptation_plan"
"""The keys of a checkpoint that are read, besides `citations`."""

Size = tuple[int, int, int]
Spacing = tuple[float, float, float]


class Architecture(msgspec.Struct, frozen=True):
    """The network of the pre-training: its name, and its options where the name has none."""

    arch_class_name: str
    arch_kwargs: dict[str, Any] | None = None


class PretrainConfiguration(msgspec.Struct, frozen=True):
    """The data of the pre-training; no spacing if the images were not resampled."""

    spacing: Spacing | None = None
    patch_size: Size | None = None


class PretrainPlan(msgspec.Struct, frozen=True):
    """The plan of the pre-training; its first configuration was used."""

    configurations: dict[str, PretrainConfiguration]


class AdaptationPlan(msgspec.Struct, frozen=True):
    """The keys of nnssl's adaptation plan that fine-tuning needs, with nnssl's names. Other keys are ignored."""

    architecture_plans: Architecture
    pretrain_plan: PretrainPlan
    pretrain_num_input_channels: int
    recommended_downstream_patchsize: Size
    key_to_encoder: str
    key_to_stem: str
    keys_to_in_proj: tuple[str, ...]
    key_to_lpe: str | None = None
    pretrain_patch_size: Size | None = None


@dataclass(frozen=True)
class Pretraining:
    """A checkpoint of nnssl.

    Attributes:
        path: the file.
        sha256: its SHA-256.
        weights: the state dict, memory-mapped.
        plan: nnssl's adaptation plan.
        citations: the papers that the authors ask users to cite, a line each.
    """

    path: Path
    sha256: str
    weights: Mapping[str, torch.Tensor]
    plan: AdaptationPlan
    citations: tuple[str, ...]

    @property
    def spacing(self) -> Spacing | None:
        """The spacing of the pre-training in mm, in the order of its axes; None if images were not resampled."""
        return self._configuration.spacing

    @property
    def patch_size(self) -> Size:
        """The patch of the pre-training, voxels.

        Raises:
            InvalidFile: the checkpoint does not have it.
        """
        patch = self.plan.pretrain_patch_size or self._configuration.patch_size
        if patch is None:
            raise InvalidFile(f"{self.path}: {PLAN} has no patch_size of the pre-training, which positions need")
        return patch

    @property
    def _configuration(self) -> PretrainConfiguration:
        return next(iter(self.plan.pretrain_plan.configurations.values()))


def read_pretraining(path: Path) -> Pretraining:
    """Return a checkpoint of nnssl.

    Raises:
        InvalidFile: the file is missing or damaged, would run code, is no checkpoint of nnssl, or lacks a key; the
            message names it.
    """
    data = load_safely(path)
    missing = [key for key in (WEIGHTS, PLAN) if not isinstance(data, dict) or not isinstance(data.get(key), dict)]
    if missing:
        raise InvalidFile(f"{path}: no checkpoint of nnssl ({missing[0]!r} is missing)")
    plan = converted(data[PLAN], AdaptationPlan, f"{path}: {PLAN}")
    if not plan.pretrain_plan.configurations:
        raise InvalidFile(f"{path}: {PLAN} has no configuration of the pre-training")
    if strange := [name for name, one in data[WEIGHTS].items() if not isinstance(one, torch.Tensor)]:
        raise InvalidFile(f"{path}: {WEIGHTS} holds {strange[0]!r}, which is no tensor")
    return Pretraining(path, sha256(path), data[WEIGHTS], plan, tuple(_citations(data.get("citations"))))


def _citations(listed: Any) -> Iterator[str]:
    """Yield a line per paper. nnssl lists what was used (type, name) with papers in APA or BibTeX."""
    for one in listed if isinstance(listed, list | tuple) else ():
        if isinstance(one, str):
            yield _line(one)
        elif isinstance(one, dict):
            used = " ".join(str(one[key]) for key in ("type", "name") if one.get(key))
            for paper in one.get("apa_citations") or one.get("bibtex_citations") or ():
                yield _line(f"{used}: {paper}" if used else str(paper))


def _line(text: str) -> str:
    return " ".join(text.split())
