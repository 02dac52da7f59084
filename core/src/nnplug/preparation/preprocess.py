"""Bring images to the grid and intensities of a configuration: transpose, crop, normalise, resample."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from nnplug.contracts import Normalizer
from nnplug.dataset.cases import read_training_case
from nnplug.dataset.dataset import CaseFiles, Dataset, DatasetDescription
from nnplug.dataset.labels import Labels
from nnplug.errors import InvalidPlugin, NnplugError
from nnplug.io.crop_info import CropInfo
from nnplug.ops.crop import bounding_box, nonzero_mask, slices
from nnplug.ops.resample import resample_image, resample_label, resampled_shape, separated_axis
from nnplug.plans.fingerprint import IntensityStats
from nnplug.plans.plans import Plans, Resampler, Resampling
from nnplug.preparation.case_index import Indexing, complete_index, planned_indexing
from nnplug.registry.attribution import attributed, expect, name_of
from nnplug.registry.components import Kind, Registry
from nnplug.registry.runtime import Runtime
from nnplug.runtime.digests import state_digest
from nnplug.workspace.case_store import CaseStore, Prepared

OUTSIDE = -1
"""The label of background outside the nonzero mask."""

_VERSION = 1  # of what preprocessing does: raised, it makes every stored case stale


@dataclass(frozen=True)
class Channel:
    """How one channel is normalised.

    Attributes:
        normalizer: the component.
        use_mask: whether it is told the nonzero mask.
        intensity: the dataset's foreground statistics of the channel, None where there are none.
    """

    normalizer: Normalizer
    use_mask: bool
    intensity: IntensityStats | None

    def normalize(self, image: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        """Normalise the channel (z, y, x), which may be changed in place.

        Raises:
            NnplugError: the values do not suit the normalizer.
            ComponentFailed, InvalidPlugin: the normalizer breaks its contract.
        """
        with attributed(self.normalizer):
            given = self.normalizer.normalize(image, mask if self.use_mask else None, self.intensity)
        result: npt.NDArray[np.float32] = expect(self.normalizer, given, np.ndarray)
        if result.shape != mask.shape:
            raise InvalidPlugin(f"{name_of(self.normalizer)} gave shape {result.shape} for a channel of {mask.shape}")
        return result


@dataclass(frozen=True)
class Preprocessor:
    """Prepares images for the network of a configuration, in training and in prediction alike.

    Attributes:
        transpose_forward: the order in which the axes of an image are taken.
        spacing: target spacing in mm of the transposed axes; in 2d (y, x), and slices keep their distance.
        channels: in the order of the image's channels.
        resampling: spline orders.
        labels: classes or regions.
    """

    transpose_forward: tuple[int, int, int]
    spacing: tuple[float, ...]
    channels: tuple[Channel, ...]
    resampling: Resampling
    labels: Labels

    @classmethod
    def of(cls, plans: Plans, configuration_name: str, labels: Labels, registry: Registry) -> Self:
        """The preprocessor of a configuration.

        Raises:
            NnplugError: there is no such configuration or normalizer, or a resampling is not supported.
        """
        configuration = plans.configuration(configuration_name)
        resampling = configuration.resampling
        if order := resampling.image.order_z or resampling.label.order_z:
            raise NnplugError(
                f"plans {plans.name!r}: 'order_z' of {configuration_name} is {order}; across slices nnplug takes the "
                "nearest one. Set it to 0."
            )
        channels = tuple(
            Channel(registry.create(Kind.NORMALIZER, n.name), n.use_mask, plans.intensity.get(str(index)))
            for index, n in enumerate(configuration.normalization)
        )
        return cls(plans.transpose_forward, configuration.spacing, channels, resampling, labels)

    def prepare(
        self,
        image: npt.NDArray[np.float32],
        spacing: tuple[float, float, float],
        label: npt.NDArray[np.integer[Any]] | None = None,
    ) -> Prepared:
        """Prepare one case; the arguments stay as they are.

        Args:
            image: (C, z, y, x) as read, in the file's own units.
            spacing: (z, y, x) in mm.
            label: (z, y, x) as read.

        Raises:
            NnplugError: the number of channels is not the configuration's, shapes differ, or a normalizer refuses
                the values.
        """
        self._check(image, label)
        cropped, mask, crop_info = self._crop(image, spacing)
        if label is None:
            return Prepared(self._image(cropped, mask, crop_info), None, crop_info)
        prepared, resampled = self._with_label(cropped, label, mask, crop_info)
        return Prepared(prepared, resampled, crop_info)

    def prepare_refining(
        self,
        image: npt.NDArray[np.float32],
        spacing: tuple[float, float, float],
        previous: npt.NDArray[np.integer[Any]],
    ) -> Prepared:
        """Prepare an image together with what the previous stage of a cascade predicted for it.

        nnU-Net reads that prediction as it reads labels, so that its voxels count as inside the nonzero mask.

        Args:
            image: as in `prepare`.
            spacing: as in `prepare`.
            previous: the label map (z, y, x) of the previous stage, in the image's geometry.

        Returns:
            A case whose last channel is that label map on the case's grid, -1 outside the nonzero mask.
        """
        self._check(image, previous)
        cropped, mask, crop_info = self._crop(image, spacing)
        prepared, resampled = self._with_label(cropped, previous, mask, crop_info)
        return Prepared(np.concatenate((prepared, resampled[np.newaxis]), dtype=np.float32), None, crop_info)

    def _crop(
        self, image: npt.NDArray[np.float32], spacing: tuple[float, float, float]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_], CropInfo]:
        """The transposed image and its nonzero mask in their bounding box, and where that lies."""
        forward = self.transpose_forward
        transposed = image.transpose(0, *(axis + 1 for axis in forward))
        mask = nonzero_mask(transposed)
        box = bounding_box(mask)
        mask = mask[slices(box)]
        old_spacing, new_spacing = self._spacings(spacing)
        z, y, x = image.shape[1:]
        crop_info = CropInfo(
            original_shape=(z, y, x),
            original_spacing=spacing,
            transpose_forward=forward,
            bounding_box=box,
            shape=resampled_shape(mask.shape, old_spacing, new_spacing),
            spacing=new_spacing,
        )
        return transposed[:, *slices(box)], mask, crop_info

    def _with_label(
        self,
        cropped: npt.NDArray[np.float32],
        label: npt.NDArray[np.integer[Any]],
        mask: npt.NDArray[np.bool_],
        crop_info: CropInfo,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int16]]:
        """Image and label on the new grid; nnU-Net's mask for normalising: labelled voxels count as inside."""
        marked = _mark_outside(label.transpose(self.transpose_forward)[slices(crop_info.bounding_box)], mask)
        return self._image(cropped, marked >= 0, crop_info), _resample_label(marked, crop_info, self.resampling.label)

    def _check(self, image: npt.NDArray[np.float32], label: npt.NDArray[np.integer[Any]] | None) -> None:
        if len(image) != len(self.channels):
            raise NnplugError(
                f"the image has {len(image)} channels, the model expects {len(self.channels)}. "
                "Give a file CASE_0000, CASE_0001 .. for each."
            )
        if label is not None and label.shape != image.shape[1:]:
            raise NnplugError(f"the image has shape {image.shape[1:]}, its label map {label.shape} (z, y, x)")

    def _spacings(self, spacing: Sequence[float]) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Old and new spacing of the transposed axes."""
        a, b, c = (spacing[axis] for axis in self.transpose_forward)
        z, y, x = (a, *self.spacing) if len(self.spacing) == 2 else self.spacing
        return (a, b, c), (z, y, x)

    def _image(
        self, image: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_], crop_info: CropInfo
    ) -> npt.NDArray[np.float32]:
        """Normalise and resample channel by channel: normalising after resampling would blur the mask's border."""
        result = np.empty((len(image), *crop_info.shape), np.float32)
        resampler = self.resampling.image
        axis = _axis(crop_info, resampler)
        for target, volume, channel in zip(result, image, self.channels, strict=True):
            own = np.array(volume, np.float32, order="C")
            own = channel.normalize(own, mask)
            target[...] = resample_image(own[None], crop_info.shape, order=resampler.order, axis=axis)[0]
        return result


def preprocess_dataset(
    dataset: Dataset,
    plans: Plans,
    configuration_name: str,
    store_folder: Path,
    runtime: Runtime,
) -> CaseStore:
    """Prepare and store every training case that is not yet stored as it should be.

    A stored case is kept while its files have the same sizes and times and the plans decide the same for it. Cases
    that the dataset no longer has are removed. Killed at any instant, the next call goes on. Where the entry of the
    plans' trainer names a `case_index`, each case gets that index.

    Raises:
        Problems: some cases failed, a line each; the others are stored.
    """
    labels = plans.training_description(dataset.description).labels
    preprocessor = Preprocessor.of(plans, configuration_name, labels, runtime.registry)
    indexing = planned_indexing(plans, runtime.registry, labels)
    store = CaseStore(store_folder)
    decisions = _decisions(plans, configuration_name, dataset)
    sources = {files: _source(files, decisions) for files in dataset.training_cases()}
    missing = [files for files, source in sources.items() if not _is_stored(store, files.name, source)]
    _tidy(store, {files.name for files in sources})
    work = partial(
        _prepare_case,
        description=dataset.description,
        preprocessor=preprocessor,
        indexing=indexing,
        folder=store_folder,
    )
    jobs = [(files, sources[files]) for files in missing]
    with runtime.progress.task(
        f"preprocess {configuration_name}", len(sources), done=len(sources) - len(missing)
    ) as advance:
        for name in runtime.executor.map(work, jobs, stage="preprocess", name=_job_name):
            advance(name)
    store = CaseStore(store_folder)
    if indexing is not None:
        names = [files.name for files in sources]
        complete_index(store, names, indexing, executor=runtime.executor, progress=runtime.progress)
    return store


def _prepare_case(
    job: tuple[CaseFiles, str],
    *,
    description: DatasetDescription,
    preprocessor: Preprocessor,
    indexing: Indexing | None,
    folder: Path,
) -> str:
    files, source = job
    case = read_training_case(files, description)
    prepared = preprocessor.prepare(case.image, case.spacing, case.label)
    assert prepared.label is not None, "training cases have labels"
    index = None if indexing is None else indexing.index(prepared.label)
    key = None if indexing is None else indexing.key
    CaseStore(folder).write(files.name, prepared, source=source, index=index, index_key=key)
    return files.name


def _job_name(job: tuple[CaseFiles, str]) -> str:
    return job[0].name


def _mark_outside(label: npt.NDArray[np.integer[Any]], mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int16]:
    marked = label.astype(np.int16)
    marked[(marked == 0) & ~mask] = OUTSIDE
    return marked


def _axis(crop_info: CropInfo, resampler: Resampler) -> int | None:
    return separated_axis(crop_info.transposed_spacing, crop_info.spacing, force=resampler.force_separate_z)


def _resample_label(label: npt.NDArray[np.int16], crop_info: CropInfo, resampler: Resampler) -> npt.NDArray[np.int16]:
    return resample_label(label, crop_info.shape, order=resampler.order, axis=_axis(crop_info, resampler))


def _decisions(plans: Plans, configuration_name: str, dataset: Dataset) -> str:
    """Everything besides the files that a prepared case depends on; a changed batch size leaves it as it is."""
    configuration = plans.configuration(configuration_name).data()
    keys = ("spacing", "normalization", "resampling")
    data = plans.data()
    decided = [data["transpose_forward"], data["intensity"], *(configuration[key] for key in keys)]
    labels = plans.training_description(dataset.description).labels
    drawn = [labels.keys, labels.foreground, labels.all_values, labels.ignore]
    return json.dumps([_VERSION, *decided, drawn], sort_keys=True)


def _source(files: CaseFiles, decisions: str) -> str:
    paths = [*files.images, *([] if files.label is None else [files.label])]
    return state_digest(paths, decisions)


def _is_stored(store: CaseStore, name: str, source: str) -> bool:
    try:
        return store[name].source == source
    except NnplugError:  # absent or damaged: made again
        return False


def _tidy(store: CaseStore, names: set[str]) -> None:
    store.remove_leftovers()
    for name in set(store) - names:
        store.remove(name)
