"""Export a model: its networks, and `model.json` with everything else."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import torch

from nnplug.contracts.attributed.architecture import build_network
from nnplug.contracts.kinds import ARCHITECTURE
from nnplug.errors import InvalidFile, NnplugError, within
from nnplug.models.bundle import licence_of
from nnplug.models.bundle_files import INDEX
from nnplug.models.model_components import components_of
from nnplug.models.open import Member, Model, open_model
from nnplug.models.weights import read_weights
from nnplug.registry.components import Registry
from nnplug.registry.loader import Plugins
from nnplug.runtime.digests import sha256
from nnplug.runtime.files import atomic_folder
from nnplug.runtime.outputs import check_folder
from nnplug.runtime.progress import Progress, Silent
from nnplug_export import describe, schema
from nnplug_export.outputs import check_free
from nnplug_export.writers import NetworkWriter, compare

if TYPE_CHECKING:
    from nnplug.runtime.progress import Advance

_PROGRAMS = ("nnplug-core", "nnplug-export", "numpy", "onnx", "onnxruntime", "onnxscript", "torch")
_SEED = 20
"""The seed of the random input that files are compared on."""


def export_model(
    source: Path,
    target: Path,
    writer: NetworkWriter,
    *,
    plugins: Plugins,
    progress: Progress,
    folds: Sequence[str] | None = None,
    replace: bool = False,
) -> schema.ExportedModel:
    """Write a model as a folder of networks and `model.json`, atomically.

    Args:
        source: a bundle (folder or zip file), a run, or a folder of runs.
        target: the folder; an older export there is replaced.
        writer: the format of the networks.
        plugins: the installed plugins.
        progress: receives the progress and notices.
        folds: the folds of each model; None for all. Previous stages of a cascade always have all folds.
        replace: see `nnplug_export.outputs.check_free`.

    Returns:
        The content of `model.json`.

    Raises:
        NnplugError: there is no such model or fold, `target` must not be replaced, a component has no words in
            `model.json`, or its network cannot be exported; the message names the component.
    """
    check_folder(target, [source])
    check_free(target, replace=replace)
    model = open_model(source, folds=folds)
    described = _described(model, source, writer, plugins, progress)
    count = sum(len(stage.weights) for member in model.members for stage in member.stages)
    with progress.task("export", count) as advance, atomic_folder(target) as folder:
        job = _Export(folder, writer, plugins, advance)
        pairs = zip(model.members, described.members, _names(model), strict=True)
        members = tuple(job.with_folds(member, stage, name) for member, stage, name in pairs)
        exported = msgspec.structs.replace(described, members=members)
        exported.write(folder / schema.MODEL)
    return exported


def _described(
    model: Model, source: Path, writer: NetworkWriter, plugins: Plugins, progress: Progress
) -> schema.ExportedModel:
    """Return the content of `model.json` without the networks, so that what cannot be expressed fails at once."""
    describe.check_reader(model, plugins.registry)
    description = model.description
    return schema.ExportedModel(
        format=writer.format,
        file_ending=description.file_ending,
        orientations=model.plans.orientations,
        labels=describe.described_labels(description.labels),
        members=tuple(_stage(member, plugins, progress) for member in model.members),
        postprocessing=describe.described_postprocessing(model),
        source=schema.Source(
            dataset=model.plans.dataset,
            licence=licence_of(description),
            bundle_sha256=_digest(model, source),
            components=_components(model),
            versions={"python": platform.python_version(), **{name: version(name) for name in _PROGRAMS}},
        ),
    )


def _stage(member: Member, plugins: Plugins, progress: Progress) -> schema.Stage:
    previous = None if member.previous is None else _stage(member.previous, plugins, progress)
    return describe.described_stage(member, components_of(member, plugins, progress), previous)


def _components(model: Model) -> tuple[schema.Component, ...]:
    providers = [one for member in model.members for stage in member.stages for one in stage.providers]
    return tuple(
        schema.Component(kind=str(p.kind), name=p.name, distribution=p.distribution, version=p.version)
        for p in dict.fromkeys(providers)
    )


def _digest(model: Model, source: Path) -> str | None:
    """Return the SHA-256 of the bundle's index, also of one in a zip file; None for runs."""
    folders = [source, *model.members[0].weights[0].parents]
    index = next((folder / INDEX for folder in folders[:3] if (folder / INDEX).is_file()), None)
    return None if index is None else sha256(index)


def _names(model: Model) -> Sequence[str]:
    """Return a folder for the networks of each member; its configuration, with a number if two have the same."""
    names = [member.configuration for member in model.members]
    return [name if names.count(name) == 1 else f"{name}_{number}" for number, name in enumerate(names)]


@dataclass(frozen=True)
class _Export:
    """The export of the networks into a folder."""

    folder: Path
    writer: NetworkWriter
    plugins: Plugins
    advance: Advance

    def with_folds(self, member: Member, stage: schema.Stage, name: str) -> schema.Stage:
        """Write the networks of a member and of its previous stages, and return the stage with them."""
        previous = stage.previous
        if member.previous is not None and previous is not None:
            previous = self.with_folds(member.previous, previous, f"{name}/previous")
        network = _Network.of(member, self.plugins)
        example = _example(stage)
        folds = tuple(self._fold(network, weights, example, name, number) for number, weights in _numbered(member))
        return msgspec.structs.replace(stage, folds=folds, previous=previous)

    def _fold(self, network: _Network, weights: Path, example: torch.Tensor, name: str, fold: str) -> schema.Fold:
        file = f"{name}/fold_{fold}{self.writer.ending}"
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        module = network.loaded(weights)
        try:
            self.writer.write(module, example, path)
            difference = compare(module, self.writer.read(path), example)
        except NnplugError as error:
            raise NnplugError(within(f"{network.title}, fold {fold}: ", error.lines[0])) from error
        except Exception as error:
            cause = next(iter(str(error).strip().splitlines()), "")
            raise NnplugError(
                f"{network.title}: its network cannot be exported as {self.writer.format} "
                f"({type(error).__name__}: {cause[:200]})"
            ) from error
        self.advance(file)
        return schema.Fold(
            name=fold,
            file=file,
            sha256=sha256(path),
            weights_sha256=sha256(weights),
            greatest_difference=difference.greatest,
            largest_logit=difference.largest,
        )


@dataclass(frozen=True)
class _Network:
    """The network of a member in evaluation mode.

    Attributes:
        module: its weights are loaded fold by fold.
        title: the architecture with its distribution, for messages.
    """

    module: torch.nn.Module
    title: str

    @classmethod
    def of(cls, member: Member, plugins: Plugins) -> _Network:
        """Return the network of a member, without its weights."""
        registry: Registry = components_of(member, plugins, Silent())
        configuration = member.plans.configuration(member.configuration)
        entry = registry.get(ARCHITECTURE, configuration.architecture.name)
        module = build_network(
            entry.create(configuration.architecture.options),
            channels=configuration.input_channels(member.description),
            outputs=member.description.labels.outputs,
        )
        return cls(module.eval(), str(entry))

    def loaded(self, weights: Path) -> torch.nn.Module:
        """Return the network with the weights in a file.

        Raises:
            InvalidFile: the file is damaged, or the weights are not those of this network.
        """
        try:
            self.module.load_state_dict(read_weights(weights))
        except RuntimeError as error:
            detail = str(error).splitlines()[1:2] or [str(error)]
            raise InvalidFile(f"{weights}: does not fit the network of its plans ({detail[0].strip()})") from error
        return self.module.requires_grad_(requires_grad=False)


def _numbered(member: Member) -> list[tuple[str, Path]]:
    """Return the name and the weights of each fold."""
    return [(weights.parent.name.removeprefix("fold_"), weights) for weights in member.weights]


def _example(stage: schema.Stage) -> torch.Tensor:
    """Return random input of two images (2, C, *patch); a network may take the number 1 of a batch for a constant."""
    shape = (2, stage.inputs, *stage.windows.patch_size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(_SEED))
