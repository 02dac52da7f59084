"""Preprocessors: bring images to the network's grid and intensities, and predictions back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from nnplug.ops.finite import is_finite
from nnplug.registry.attribution import attributed, broken, expect

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    from nnplug.arrays import LabelArray
    from nnplug.contracts.normalizer import Normalizer
    from nnplug.contracts.preprocessor.resampler import Resampler
    from nnplug.dataset.labels import Labels
    from nnplug.plans.fingerprint import IntensityStats
    from nnplug.plans.plans import Resampling
    from nnplug.workspace.case_store import Prepared


@dataclass(frozen=True)
class Channel:
    """The normalisation of one channel.

    Attributes:
        normalizer: the component.
        use_mask: whether the normalizer gets the nonzero mask.
        intensity: the foreground statistics of the channel over the dataset; None if there are none.
    """

    normalizer: Normalizer
    use_mask: bool
    intensity: IntensityStats | None

    def normalize(self, image: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        """Return the normalised channel (z, y, x); `image` may be changed in place.

        Args:
            image: (z, y, x) float32, in the units of the file.
            mask: (z, y, x) bool, the voxels that the normalizer uses if `use_mask` is True.

        Raises:
            NnplugError: the normalizer cannot use the values.
            ComponentFailed, InvalidPlugin: the normalizer breaks its contract.
        """
        import numpy as np

        with attributed(self.normalizer):
            given = self.normalizer.normalize(image, mask if self.use_mask else None, self.intensity)
        result: npt.NDArray[np.float32] = expect(self.normalizer, given, np.ndarray)
        if result.shape != mask.shape:
            raise broken(self.normalizer, f"gave shape {result.shape} for a channel of {mask.shape}")
        if not np.issubdtype(result.dtype, np.floating):
            raise broken(self.normalizer, f"gave a channel of {result.dtype}; expected float32")
        if not is_finite(result):
            raise broken(self.normalizer, "gave values that are not finite")
        return result


@dataclass(frozen=True)
class PreprocessingContext:
    """The decisions of the plans that a preprocessor gets for one configuration.

    Attributes:
        plans: the name of the plans, for messages.
        configuration: the name of the configuration, for messages.
        transpose_forward: transposed axis i is axis `transpose_forward[i]` of the image (z, y, x).
        spacing: target spacing in mm of the transposed axes; (y, x) in 2d configurations.
        channels: the normalisations, in the order of the image's channels.
        resampling: spline orders.
        labels: classes or regions.
        resampler: the resampler that the plans name; None if they name none, and the preprocessor uses its own.
    """

    plans: str
    configuration: str
    transpose_forward: tuple[int, int, int]
    spacing: tuple[float, ...]
    channels: tuple[Channel, ...]
    resampling: Resampling
    labels: Labels
    resampler: Resampler | None = None


class Inverse(Protocol):
    """The mapping of one case from the preprocessed grid back to its image.

    Values are processed plane by plane, so that full-resolution logits or probabilities of all classes need not exist
    at once. `nnplug.ops.export` has functions for it.
    """

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape (z, y, x) of the image as read."""
        ...

    def label_map(
        self, planes: Iterable[torch.Tensor], count: int, *, regions_class_order: Sequence[int] | None = None
    ) -> LabelArray:
        """Return the label map (z, y, x) of the image, uint8 or int16.

        Args:
            planes: logits (K, y, x) float32 on any device, in order along the first axis of the preprocessed grid. Each
                is valid until the next one is read.
            count: the number of planes.
            regions_class_order: one label value per region; a voxel gets the value of the last region with a logit
                above 0. None for classes, where the largest logit wins.
        """
        ...

    def probability_planes(self, logits: torch.Tensor, *, regions: bool) -> Iterator[torch.Tensor]:
        """Yield probabilities (K, y, x) float32 for each z of the image. Each is valid until the next one is read.

        Args:
            logits: (K, z, y, x) float32 on the preprocessed grid, on any device.
            regions: whether outputs are independent (sigmoid) rather than exclusive (softmax).
        """
        ...

    def probabilities(self, logits: torch.Tensor, *, regions: bool) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the probabilities (z, y, x) float32 of the image for one class or region after the other.

        Args:
            logits: as in `probability_planes`.
            regions: as in `probability_planes`.
        """
        ...

    def data(self) -> Mapping[str, Any]:
        """Return JSON values from which `Preprocessor.read_inverse` makes the same inverse; logits store them."""
        ...


class Preprocessing(Protocol):
    """A preprocessor with the decisions for one configuration. It is pickled for other processes."""

    def prepare(
        self,
        image: npt.NDArray[np.float32],
        spacing: tuple[float, float, float],
        label: LabelArray | None = None,
    ) -> Prepared:
        """Return the preprocessed case. Do not change the arguments. Training and prediction call it in the same way.

        The core has checked the number of channels, and that image and label map have the same shape.

        Args:
            image: (C, z, y, x) float32 as read, in the units of the file. A `DisposableArray` may be overwritten.
            spacing: (z, y, x) in mm.
            label: (z, y, x) as read, any integer dtype; None in prediction.

        Raises:
            NnplugError: the values cannot be used; the message has the remedy.
        """
        ...

    def inverse(self, info: Mapping[str, Any]) -> Inverse:
        """Return the inverse of a case.

        Args:
            info: `Prepared.info` of the case, as JSON stores it.

        Raises:
            InvalidFile: the information is damaged.
        """
        ...


class CascadePreprocessing(Preprocessing, Protocol):
    """A preprocessing for cascades; the entry has `takes_previous_stage=True`."""

    def prepare_refining(
        self,
        image: npt.NDArray[np.float32],
        spacing: tuple[float, float, float],
        previous: LabelArray,
    ) -> Prepared:
        """Return the preprocessed case with the previous stage's label map as its last channel, on the case's grid.

        Args:
            image: as in `prepare`.
            spacing: as in `prepare`.
            previous: the label map (z, y, x) of the previous stage, on the image's grid.
        """
        ...

    def shape_of(self, info: Mapping[str, Any]) -> tuple[int, int, int]:
        """Return the shape (z, y, x) of a case on the grid of this configuration.

        Args:
            info: `Prepared.info` of the case in another configuration of the same plans.
        """
        ...

    def label_map_on(self, logits: torch.Tensor, info: Mapping[str, Any], shape: tuple[int, int, int]) -> LabelArray:
        """Return the label map of logits directly on the grid of the next stage.

        Args:
            logits: (K, z, y, x) float32, on the grid of this configuration.
            info: `Prepared.info` of the case in this configuration.
            shape: (z, y, x) of the case on the grid of the next stage, from its `shape_of`.
        """
        ...


class Preprocessor(Protocol):
    """A component that brings images to the grid and intensities of networks, and logits back to images."""

    def bind(self, context: PreprocessingContext) -> Preprocessing:
        """Return the preprocessing of one configuration.

        Raises:
            NnplugError: the preprocessor cannot use the decisions; the message has the remedy.
        """
        ...

    def read_inverse(self, data: Mapping[str, Any]) -> Inverse:
        """Return the inverse made from its `data`. Stored logits have the data, and are averaged without a model.

        Raises:
            InvalidFile: the data are damaged.
        """
        ...
