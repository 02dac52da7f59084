"""The contract of preprocessors: from an image to the network's grid and intensities, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from nnplug.errors import InvalidPlugin
from nnplug.registry.attribution import attributed, expect, name_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    from nnplug.contracts.normalizer import Normalizer
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
        intensity: the dataset's foreground statistics of the channel, None where there are none.
    """

    normalizer: Normalizer
    use_mask: bool
    intensity: IntensityStats | None

    def normalize(self, image: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        """Return the normalised channel (z, y, x); `image` may be changed in place.

        Args:
            image: (z, y, x), in the file's own units.
            mask: (z, y, x), the voxels that count where `use_mask` is True.

        Raises:
            NnplugError: the values do not suit the normalizer.
            ComponentFailed, InvalidPlugin: the normalizer breaks its contract.
        """
        import numpy as np

        with attributed(self.normalizer):
            given = self.normalizer.normalize(image, mask if self.use_mask else None, self.intensity)
        result: npt.NDArray[np.float32] = expect(self.normalizer, given, np.ndarray)
        if result.shape != mask.shape:
            raise InvalidPlugin(f"{name_of(self.normalizer)} gave shape {result.shape} for a channel of {mask.shape}")
        return result


@dataclass(frozen=True)
class PreprocessingContext:
    """The decisions of the plans that a preprocessor gets for one configuration.

    Attributes:
        plans: the name of the plans, for messages.
        configuration: the name of the configuration, for messages.
        transpose_forward: the order in which the axes (z, y, x) of an image are taken.
        spacing: target spacing in mm of the transposed axes; (y, x) in 2d configurations.
        channels: in the order of the image's channels.
        resampling: spline orders.
        labels: classes or regions.
    """

    plans: str
    configuration: str
    transpose_forward: tuple[int, int, int]
    spacing: tuple[float, ...]
    channels: tuple[Channel, ...]
    resampling: Resampling
    labels: Labels


class Inverse(Protocol):
    """The way of one case from the prepared grid back to its image.

    Numbers stream: full-resolution logits or probabilities of all classes need never exist at once. `nnplug.ops.export`
    has the arithmetic.
    """

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape (z, y, x) of the image as read."""
        ...

    def label_map(
        self, planes: Iterable[torch.Tensor], count: int, *, regions_class_order: Sequence[int] | None = None
    ) -> npt.NDArray[np.integer[Any]]:
        """Return the label map (z, y, x) of the image, uint8 or int16.

        Args:
            planes: logits (K, y, x) float32 in order along the first axis of the prepared grid, each valid until the
                next is asked for; on any device.
            count: the number of planes.
            regions_class_order: the value painted where a region's logit is above 0, later over earlier; None for
                classes, where the largest logit wins.
        """
        ...

    def probability_planes(self, logits: torch.Tensor, *, regions: bool) -> Iterator[torch.Tensor]:
        """Yield probabilities (K, y, x) float32 for each z of the image; a plane need not outlive the next.

        Args:
            logits: (K, z, y, x) float32 on the prepared grid, on any device.
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
        """Return JSON from which `Preprocessor.read_inverse` makes the same inverse; it is stored with logits."""
        ...


class Preprocessing(Protocol):
    """A preprocessor with the decisions for one configuration. It is pickled and sent to other processes."""

    def prepare(
        self,
        image: npt.NDArray[np.float32],
        spacing: tuple[float, float, float],
        label: npt.NDArray[np.integer[Any]] | None = None,
    ) -> Prepared:
        """Return the prepared case; the arguments stay as they are. Training and prediction call it alike.

        The core has checked the number of channels and that image and label map have one shape.

        Args:
            image: (C, z, y, x) float32 as read, in the file's own units.
            spacing: (z, y, x) in mm.
            label: (z, y, x) as read; None in prediction.

        Raises:
            NnplugError: the values do not suit; the message names the remedy.
        """
        ...

    def inverse(self, info: Mapping[str, Any]) -> Inverse:
        """Return the way back of a case.

        Args:
            info: `Prepared.info` of the case, as JSON stores it.

        Raises:
            InvalidFile: the information is damaged.
        """
        ...


class CascadePreprocessing(Preprocessing, Protocol):
    """A preprocessing that takes part in cascades: its entry says `takes_previous_stage`."""

    def prepare_refining(
        self,
        image: npt.NDArray[np.float32],
        spacing: tuple[float, float, float],
        previous: npt.NDArray[np.integer[Any]],
    ) -> Prepared:
        """Return the prepared case whose last channel is the previous stage's label map on the case's grid.

        Args:
            image: as in `prepare`.
            spacing: as in `prepare`.
            previous: the label map (z, y, x) of the previous stage, in the image's geometry.
        """
        ...

    def shape_of(self, info: Mapping[str, Any]) -> tuple[int, int, int]:
        """Return the shape (z, y, x) of a case on the grid of this configuration.

        Args:
            info: `Prepared.info` of the case in another configuration of the same plans.
        """
        ...

    def label_map_on(
        self, logits: torch.Tensor, info: Mapping[str, Any], shape: tuple[int, int, int]
    ) -> npt.NDArray[np.integer[Any]]:
        """Return the label map of logits on the grid of the next stage, without the way over the image.

        Args:
            logits: (K, z, y, x) float32, on the grid of this configuration.
            info: `Prepared.info` of the case in this configuration.
            shape: (z, y, x) of the case on the grid of the next stage, from its `shape_of`.
        """
        ...


class Preprocessor(Protocol):
    """Brings images to the grid and intensities that networks take, and logits back to images."""

    def bind(self, context: PreprocessingContext) -> Preprocessing:
        """Return the preprocessing of one configuration.

        Raises:
            NnplugError: the decisions do not suit this preprocessor; the message names the remedy.
        """
        ...

    def read_inverse(self, data: Mapping[str, Any]) -> Inverse:
        """Return the inverse whose `data` is given: logits were stored with it and are averaged without a model.

        Raises:
            InvalidFile: the data are damaged.
        """
        ...
