"""The models of a server: each is loaded once and stays on the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import NnplugError, did_you_mean
from nnplug.inference.folder_images import ImageChoice, training_orientations
from nnplug.inference.inputs import find_cases
from nnplug.inference.predictor import Predictor
from nnplug.registry.loader import Plugins
from nnplug_server.told import Told

RESULT_ENDING = ".nrrd"
"""The ending of label maps that Slicer asks for, since it reads NRRD with oblique axes as it is."""


@dataclass(frozen=True)
class DeviceOptions:
    """The device and the effort of predictions, see `nnplug.Predictor`."""

    device: str = "auto"
    mirroring: bool = True
    step_size: float | None = None
    gpu_memory_gb: float | None = None


@dataclass(frozen=True)
class ServedModel:
    """A model that is ready to predict.

    Attributes:
        name: its name in addresses.
        predictor: the networks.
        told: receives the messages about the present image.
    """

    name: str
    predictor: Predictor
    told: Told

    @property
    def description(self) -> DatasetDescription:
        """`dataset.json` of the model."""
        return self.predictor.model.description

    @property
    def label_values(self) -> Mapping[str, int]:
        """Name of each class or region -> its value in label maps, without background.

        A voxel of several regions has the value of the last of them, as in nnU-Net.
        """
        labels = self.description.labels
        values = labels.regions_class_order or [values[0] for values in labels.foreground]
        return dict(zip(labels.foreground_names, values, strict=True))

    def info(self) -> dict[str, Any]:
        """Return the facts about a model in MONAI Label's terms."""
        members = self.predictor.model.members
        dimensions = max(member.plans.configuration(member.configuration).dimensions for member in members)
        trained = " + ".join(f"{member.plans.dataset} {member.configuration}" for member in members)
        return {
            "type": "segmentation",
            "labels": dict(self.label_values),
            "dimension": dimensions,
            "description": f"{trained}: {', '.join(self.label_values)}; channels {', '.join(self.predictor.channels)}",
            "config": {"result_extension": RESULT_ENDING},
        }

    def case(self, image: Path, series: Sequence[str]) -> CaseFiles:
        """Return the one case of a file, archive or folder.

        Raises:
            Problems: there is none, or there are several and `series` names none of them.
            NnplugError: `series` names several.
        """
        choice = ImageChoice(tuple(series), training_orientations(self.predictor.model))
        cases = find_cases([image], self.description.file_ending, self.predictor.readers, choice)
        if len(cases) != 1:
            raise NnplugError(f"{image}: holds {len(cases)} images; send one, or name one series")
        return cases[0]


def open_models(
    named: Sequence[str], options: DeviceOptions, plugins: Plugins, told: Told
) -> Mapping[str, ServedModel]:
    """Return name -> model of words such as "BUNDLE" or "NAME=BUNDLE". Without a name, it is that of the file.

    Raises:
        NnplugError: two models have one name, a name cannot stand in an address, or as `nnplug.Predictor` raises.
    """
    found: dict[str, ServedModel] = {}
    for word in named:
        name, path = _name_and_path(word)
        if name in found:
            raise NnplugError(f"{word}: a model called {name!r} is there already; give it a name with -m NAME={path}")
        predictor = Predictor(
            path,
            device=options.device,
            mirroring=options.mirroring,
            step_size=options.step_size,
            gpu_memory_gb=options.gpu_memory_gb,
            plugins=plugins,
            progress=told,
        )
        found[name] = ServedModel(name, predictor, told)
    return found


def _name_and_path(word: str) -> tuple[str, Path]:
    """Return the name and the path of a model."""
    name, equals, path = word.partition("=")
    if not equals or Path(word).exists():
        path = word
        name = Path(word).resolve().name.removesuffix(".zip")
    if not name or not all(letter.isalnum() or letter in "-_." for letter in name):
        raise NnplugError(f"{word}: {name!r} cannot stand in an address; give it a name with -m NAME={path}")
    return name, Path(path)


def chosen(models: Mapping[str, ServedModel], name: str) -> ServedModel:
    """Return the model with a name.

    Raises:
        NnplugError: there is none; the message suggests the nearest name.
    """
    if name not in models:
        hint = did_you_mean(name, models, f"There are: {', '.join(models)}.")
        raise NnplugError(f"no model is called {name!r}. {hint}")
    return models[name]
