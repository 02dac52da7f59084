"""Predict from Python, with a model that stays in memory and takes arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from nnplug.arrays import LabelArray
from nnplug.contracts import PredictedCase
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.cases import check_numbers
from nnplug.errors import NnplugError
from nnplug.inference.inputs import check_channel_numbers
from nnplug.inference.loaded import LoadedModel
from nnplug.inference.logits import Logits
from nnplug.inference.options import PredictOptions
from nnplug.inference.plausibility import check_size, image_warnings
from nnplug.inference.predicted_case import predicted_case
from nnplug.io.geometry import planar_spacing
from nnplug.io.images import Geometry, Image, LabelMap, read_image
from nnplug.io.readers import Readers
from nnplug.io.thin_axis import as_in_file
from nnplug.models.model_components import model_readers
from nnplug.models.open import Model
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.runtime.free_cores import on_free_cores
from nnplug.runtime.progress import Progress, Silent
from nnplug.workspace.runs import WeightsKind


class Predictor:
    """A trained model, or an ensemble, whose networks stay in memory between images.

    Threads can share it; images go through the networks one after the other.
    """

    def __init__(
        self,
        *models: str | Path,
        folds: Sequence[str] | None = None,
        weights: WeightsKind = "final",
        device: str = "auto",
        mirroring: bool = True,
        step_size: float | None = None,
        gpu_memory_gb: float | None = None,
        force: bool = False,
        plugins: Plugins | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Open models and build their networks.

        Args:
            models: bundles, runs or folders of runs; several are averaged.
            folds: the folds of each model; None for all.
            weights: the weights to read from a run: "final" or "best".
            device: "auto", "cpu", "cuda" or "mps".
            mirroring: whether to average over mirror images along the axes that were mirrored in training.
            step_size: the largest distance of neighbouring windows as a share of the patch, above 0 and at most 1; None
                for that of the model, usually 0.5.
            gpu_memory_gb: the GB of a GPU that PyTorch may allocate in this process while it predicts; None for all.
            force: whether to predict images whose spacing is far from that of the training, instead of raising.
            plugins: the plugins that offer the components; None for the installed ones.
            progress: receives notices and warnings.

        Raises:
            NnplugError: there is no such model, or it cannot be used here; the message has the remedy.
            MissingProvider: a component of the model is not installed; the message has the command for pip.
        """
        options = PredictOptions(
            models=tuple(Path(model) for model in models),
            folds=None if folds is None else tuple(folds),
            weights=weights,
            mirroring=mirroring,
            step=step_size,
            force=force,
        )
        own, told = plugins or Plugins(), progress or Silent()
        runtime = Runtime(own, device=device, progress=told, gpu_memory_gb=gpu_memory_gb)
        self._limited_memory = runtime.limited_memory
        with self._limited_memory():
            self._model = LoadedModel.load(options.model, runtime, options)
        self._opened = options.model
        self._readers = model_readers(options.model, Readers.of(runtime.registry))
        self._force, self._progress = force, told
        self._lock = Lock()

    @property
    def model(self) -> Model:
        """The model on disk: its members with plans, descriptions and configurations."""
        return self._opened

    @property
    def readers(self) -> Readers:
        """The readers for its images, which prefer the reader that it was trained with."""
        return self._readers

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the channels that an image must have, in order."""
        return self._model.description.channel_names

    @property
    def labels(self) -> Mapping[str, tuple[int, ...]]:
        """The mapping from name to label values of each class or region, with background, as in `dataset.json`."""
        return self._model.description.labels.values

    def predict(self, image: npt.NDArray[Any], spacing: Sequence[float]) -> LabelArray:
        """Return the postprocessed label map of an image.

        Args:
            image: intensities (C, z, y, x), or (C, y, x) for a 2D image, in the units of the training images.
            spacing: mm per axis of the array: (z, y, x) or (y, x).

        Returns:
            Label values (z, y, x) or (y, x); background for an image of zeros.

        Raises:
            NnplugError: image and spacing do not match, channels are missing, a voxel is NaN or infinite, or the
                spacing is far from that of the training.
        """
        whole = _image(image, spacing)
        return self._label_map(whole).reshape(np.shape(image)[1:])

    def probabilities(self, image: npt.NDArray[Any], spacing: Sequence[float]) -> npt.NDArray[np.float32]:
        """Return the probability of each class, or of each region if `labels` has regions, before postprocessing.

        Arguments and errors are those of `predict`.

        Returns:
            (K, z, y, x) float32, or (K, y, x) for a 2D image.
        """
        whole = self._checked(_image(image, spacing))
        mean = self._model.mean(self._logits(whole), whole.geometry)
        volume = np.stack([plane.cpu().numpy() for plane in mean.planes()], axis=1)
        if whole.geometry.moved is not None:
            axis, place = whole.geometry.moved
            volume = np.moveaxis(volume, 1 + place, 1 + axis)
        return volume.reshape(len(volume), *np.shape(image)[1:])

    def predict_files(self, *files: str | Path) -> LabelMap:
        """Return the label map of an image in files, one per channel, with its geometry.

        Remarks on the files, such as an orientation that no training image had, are warnings of the predictor's
        `progress`.

        Raises:
            InvalidFile: a file cannot be read.
            NnplugError: as in `predict`.
        """
        image = read_image([Path(file) for file in files], self._readers)
        for line in image_warnings(image.geometry, self._model.members[0].member.plans):
            self._progress.warning(f"{files[0]}: {line}")
        return LabelMap(self._label_map(image).astype(np.int16, copy=False), image.geometry)

    def predict_case(self, case: CaseFiles, *, report: Callable[[], None] | None = None) -> PredictedCase:
        """Return the label map of a case with everything that writers record, see `nnplug.contracts.Writer`.

        Remarks on the files are warnings, as in `predict_files`.

        Args:
            case: the files of an image, see `nnplug.inference.inputs.find_cases`.
            report: called after each pass of the networks. An `NnplugError` that it raises ends the prediction.

        Raises:
            InvalidFile: a file cannot be read, or a channel is missing.
            NnplugError: as in `predict`.
        """
        check_channel_numbers(case)
        image = read_image(case.images, case.readers)
        for line in image_warnings(image.geometry, self._model.members[0].member.plans):
            self._progress.warning(f"{case.name}: {line}")
        turned = self._checked(image)
        check_numbers(case, turned.array)
        labels = self._turned_label_map(turned, report)
        return predicted_case(self._model, case, labels, turned.geometry, self._model.description)

    def _checked(self, image: Image) -> Image:
        """Return an image with the axis of a single slice where the model takes it; refuse a spacing far from its."""
        turned = self._model.turned(image)
        for member in () if self._force else self._model.members:
            check_size(turned.geometry, member.member)
        return turned

    def _label_map(self, image: Image) -> LabelArray:
        """Return the postprocessed label map with the axes of the image as it was given."""
        turned = self._checked(image)
        return as_in_file(self._turned_label_map(turned), turned.geometry)[0]

    def _turned_label_map(self, image: Image, report: Callable[[], None] | None = None) -> LabelArray:
        first, *others = self._model.members
        if others or first.device.type == "cpu":
            return self._model.label_map(self._logits(image, report), image.geometry)
        with self._lock, self._limited_memory():  # on a GPU slab by slab, which takes less of its memory
            labels = first.predict(image, report=report)
        return self._model.postprocessed(labels, image.geometry)

    def _logits(self, image: Image, report: Callable[[], None] | None = None) -> list[Logits]:
        device = self._model.members[0].device
        with self._lock, self._limited_memory(), on_free_cores(device):
            return self._model.logits(image, report=report)


def _image(given: npt.ArrayLike, spacing: Sequence[float]) -> Image:
    try:
        array = np.ascontiguousarray(given, np.float32)
    except (TypeError, ValueError) as error:
        raise NnplugError(f"the image is no array of numbers ({error})") from error
    axes = array.ndim - 1
    if axes not in (2, 3) or len(spacing) != axes or not all(s > 0 for s in spacing) or not array.size:
        raise NnplugError(
            f"an image of shape {array.shape} with spacing {tuple(spacing)}; expected (C, z, y, x) or (C, y, x) with "
            "voxels, and a length above 0 in mm for each spatial axis"
        )
    z, y, x = ([1] * (3 - axes) + [*array.shape[1:]])[:3]
    lengths = tuple(float(s) for s in spacing)
    geometry = Geometry(
        shape=(z, y, x),
        spacing=(lengths[0], lengths[1], lengths[2]) if axes == 3 else planar_spacing(lengths[0], lengths[1]),
        file_spacing=lengths[::-1],
        origin=(0.0,) * axes,
        direction=tuple(np.eye(axes).ravel().tolist()),
    )
    return Image(array.reshape(-1, z, y, x), geometry)
