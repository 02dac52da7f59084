"""The content of `model.json`: everything that a program needs to predict with exported networks.

`docs/export-schema.json` is made from these classes by `docs/make_export_schema.py`.
"""

from __future__ import annotations

from typing import Literal

from nnplug.runtime.records import Record

SCHEMA = 1
MODEL = "model.json"

Scheme = Literal["zscore", "ct", "none", "rescale-0-1", "rgb-0-1"]
Format = Literal["onnx", "torch-export"]


class Statistics(Record, frozen=True, kw_only=True):
    """Intensities of the foreground of all training cases, in the units of the image.

    Attributes:
        mean: their mean.
        std: their standard deviation.
        percentile_00_5: the value below which 0.5 % of them lie.
        percentile_99_5: the value below which 99.5 % of them lie.
    """

    mean: float
    std: float
    percentile_00_5: float
    percentile_99_5: float


class Channel(Record, frozen=True, kw_only=True):
    """A channel of the image, and its normalisation after cropping and before resampling.

    Attributes:
        name: the name of the channel in `dataset.json`.
        scheme: "zscore": subtract the mean, divide by max(standard deviation, 1e-8), both of the image. "ct": clip to
            the percentiles of `statistics`, subtract their mean, divide by max(std, 1e-8). "rescale-0-1": subtract the
            minimum, divide by max(maximum, 1e-8) of the result. "rgb-0-1": divide by 255. "none": no change.
        use_mask: whether "zscore" takes mean and deviation from, and changes, only the voxels of the nonzero mask. In
            a cascade, voxels with a label of the previous stage belong to the mask, too.
        statistics: those of the training data; for "ct".
    """

    name: str
    scheme: Scheme
    use_mask: bool
    statistics: Statistics | None = None


class Interpolation(Record, frozen=True, kw_only=True):
    """The interpolation onto another grid. New sample i lies at (i + 0.5) * old / new - 0.5 of the old grid.

    Attributes:
        order: the order of the spline along the axes that are interpolated; beyond the border its value is continued.
        order_across: the order across separated slices; 0 takes the nearest one, halves rounded up.
        separate_slices: whether the coarsest axis is not interpolated: true, false, or null for the rule that the
            largest spacing is more than `anisotropy` times the smallest, in the old grid or else in the new one. Two
            equally coarse axes are never separated.
        anisotropy: the factor of this rule.
        clip: whether the result is clipped to the range of the old values, of each slice where slices are separated.
    """

    order: int
    order_across: int = 0
    separate_slices: bool | None = None
    anisotropy: float = 3.0
    clip: bool = False


class Resampling(Record, frozen=True, kw_only=True):
    """The change to the grid of the network, and back.

    Attributes:
        grid: "spacing": the new shape is max(1, round(old spacing / new spacing * old shape)) per axis, halves to even.
            "own": images stay on their grid.
        image: the interpolation of normalised images.
        labels: the interpolation of the previous stage's label map: the indicator of each value is interpolated, and
            the largest one wins; on an exact tie that of the nearest voxel if it is among the tied, else the lowest.
            Background outside the nonzero mask is a value of its own, -1.
        logits: the interpolation of logits from the network's grid to the cropped image.
    """

    grid: Literal["spacing", "own"]
    image: Interpolation
    labels: Interpolation
    logits: Interpolation


class Windows(Record, frozen=True, kw_only=True):
    """The windows in which an image is predicted.

    Attributes:
        patch_size: voxels per axis; two axes for a 2D network, which predicts slices of the first axis. A smaller image
            is padded with zeros on both sides, an odd voxel at the end.
        step: the largest distance of neighbouring windows, as a share of the patch: n = ceil((size - patch) / (patch *
            step)) + 1 windows start at round(i * (size - patch) / (n - 1)), halves to even.
        sigma: the standard deviation of the Gaussian weights per axis, as a share of the patch. Weights are 1 at voxel
            patch // 2; a weight of 0 becomes the smallest one above 0.
        truncate: beyond int(truncate * sigma + 0.5) voxels from the centre weights are 0.
        mirror_axes: axes of the patch; logits are averaged over all 2^n combinations of mirrored axes.
    """

    patch_size: tuple[int, ...]
    step: float
    sigma: float
    truncate: float
    mirror_axes: tuple[int, ...]


class Fold(Record, frozen=True, kw_only=True):
    """The network of a fold.

    Attributes:
        name: the name of the fold.
        file: its path in the folder, with "/".
        sha256: the SHA-256 of the file.
        weights_sha256: the SHA-256 of the weights in the bundle.
        greatest_difference: of the logits of the file and of PyTorch on random input.
        largest_logit: the largest absolute logit of PyTorch on this input.
    """

    name: str
    file: str
    sha256: str
    weights_sha256: str
    greatest_difference: float
    largest_logit: float


class Stage(Record, frozen=True, kw_only=True):
    """A configuration: its preprocessing, its networks, and the stage before it in a cascade.

    Attributes:
        configuration: the name in the plans.
        plans_digest: the digest of the plans.
        transpose: axis i of the network is axis `transpose[i]` of the image (z, y, x).
        crop: "nonzero": the bounding box of voxels that are not 0 in some channel, with enclosed holes filled. The
            mask of normalisation is the filled mask.
        spacing: target spacing in mm of the transposed axes; (y, x) for a 2D network, whose slices keep their distance.
        median_spacing: that of the training cases, transposed axes, mm; to find wrong units in headers.
        channels: the channels in the order of the network's input.
        resampling: the grid of the network.
        windows: the windows.
        previous_labels: in a cascade, the label values of the previous stage; each is one more input channel, 1 where
            the label map has the value, else 0. The label map is that of `previous`, without postprocessing.
        inputs: the number of input channels, the batch before them. The name of the input is "image".
        outputs: the number of output channels. The name of the output is "logits".
        folds: one network each; logits are averaged.
        previous: the stage before this one.
    """

    configuration: str
    plans_digest: str
    transpose: tuple[int, int, int]
    crop: Literal["nonzero"]
    spacing: tuple[float, ...]
    median_spacing: tuple[float, float, float]
    channels: tuple[Channel, ...]
    resampling: Resampling
    windows: Windows
    previous_labels: tuple[int, ...]
    inputs: int
    outputs: int
    folds: tuple[Fold, ...]
    previous: Stage | None = None


class Labels(Record, frozen=True, kw_only=True):
    """The classes or regions.

    Attributes:
        values: name -> label values, with the background.
        regions: whether outputs are regions, one per entry of `values` but the background, in their order, with
            sigmoid; else one per label value from 0 on, with softmax.
        paint: for regions, one label value per output: a voxel gets that of the last output whose logit is above 0
            (whose mean probability is above 0.5, with several members); null for classes, where the largest one wins.
    """

    values: dict[str, tuple[int, ...]]
    regions: bool
    paint: tuple[int, ...] | None = None


class Postprocessing(Record, frozen=True, kw_only=True):
    """The rule for label maps on the grid of the image.

    Attributes:
        keep_largest: steps, one after the other: of the voxels with these label values all become 0 but the largest
            component, or all components of the largest size. Voxels that share a corner are connected.
    """

    keep_largest: tuple[tuple[int, ...], ...]


class Component(Record, frozen=True, kw_only=True):
    """A component that the model was made with.

    Attributes:
        kind: its kind.
        name: its name.
        distribution: the distribution that offers it.
        version: the version of the distribution.
    """

    kind: str
    name: str
    distribution: str
    version: str


class Source(Record, frozen=True, kw_only=True):
    """The origin of the export.

    Attributes:
        dataset: the name of the training dataset.
        licence: the licence in its `dataset.json`; null if it is unknown.
        bundle_sha256: the SHA-256 of `bundle.json`, which has that of every file; null if a run was exported.
        components: the components of training and prediction.
        versions: distribution -> version of the programs that made the export.
    """

    dataset: str
    licence: str | None = None
    bundle_sha256: str | None = None
    components: tuple[Component, ...]
    versions: dict[str, str]


class ExportedModel(Record, frozen=True, kw_only=True):
    """An exported model.

    Attributes:
        schema: version of this layout.
        format: the format of the networks.
        file_ending: the ending of the training images, which are read as SimpleITK does: arrays (z, y, x) and spacing
            in mm; 2D images have one slice of 999 times the larger spacing, png and bmp files spacing (999, 1, 1).
        orientations: the sides that the axes x, y, z of the training images point to, such as "RAS" -> number of cases;
            null if unknown. Networks take voxels as they are stored.
        labels: classes or regions.
        members: the models, whose probabilities on the grid of the image are averaged if there are several.
        postprocessing: the rule for label maps, or null.
        source: the origin.
    """

    schema: int = SCHEMA
    format: Format
    file_ending: str
    orientations: dict[str, int] | None = None
    labels: Labels
    members: tuple[Stage, ...]
    postprocessing: Postprocessing | None = None
    source: Source
