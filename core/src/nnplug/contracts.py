"""What each kind of component must do. Inherit from a Protocol to have mypy check your class.

A component is a class; its keyword arguments are its options (a frozen dataclass is the natural form), which
`--set KIND.KEY=VALUE` and recipes fill in. Arrays are (C, z, y, x) or (z, y, x); in 2d configurations the
network sees (y, x) patches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from nnplug.components import Kind, Registry
from nnplug.data.plans import Choice, Configuration, Plans
from nnplug.runtime.executor import Executor as Executor  # noqa: PLC0414 - a contract that lives with its first user
from nnplug.runtime.progress import Progress, Silent
from nnplug.runtime.world import ALONE, World

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt
    import torch

    from nnplug.data.dataset import CaseFiles, Dataset, DatasetDescription
    from nnplug.data.fingerprint import Fingerprint, IntensityStats
    from nnplug.data.labels import Labels
    from nnplug.data.store import CaseStore
    from nnplug.data.workspace import RunFolder


@dataclass(frozen=True)
class Survey:
    """What a converter found in a folder, and what it makes of it.

    Attributes:
        description: `dataset.json` of the result, `numTraining` being filled in by the core. The number of its
            `channel_names` decides how many image files each case gets.
        training: per case its name in the result, the source's image files and its label map.
        unseen: the same of cases to predict; a label map, where there is one, goes to `labelsTs`.
        values: label value in the source -> label value in the result; empty where they stay as they are.
        notices: what the user should know before converting.
    """

    description: Mapping[str, Any]
    training: tuple[CaseFiles, ...]
    unseen: tuple[CaseFiles, ...] = ()
    values: Mapping[int, int] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


class Converter(Protocol):
    """Turns a folder of another layout into a dataset."""

    def survey(self, source: Path, *, executor: Executor, progress: Progress) -> Survey:
        """Find the cases and name the labels. Read what is needed, write nothing.

        Raises:
            InvalidFile: the folder is none of this kind; the message names what is missing.
            Problems: files that belong to no case, a line each.
        """
        ...

    def convert(self, case: CaseFiles, target: CaseFiles, values: Mapping[int, int]) -> None:
        """Write one case; `nnplug.data.convert.write_case` does it for all that SimpleITK reads.

        Args:
            case: of the survey.
            target: the files to write: one per channel, and the label map where the case has one.
            values: of the survey.

        Raises:
            InvalidFile: a file of the source cannot be read, or does not hold what the survey says.
        """
        ...

    def example(self, folder: Path) -> None:
        """Write a tiny source of this kind, of two or more training cases: the conformance kit converts it."""
        ...


class Extractor(Protocol):
    """Measures a dataset."""

    def extract(self, dataset: Dataset, *, executor: Executor, progress: Progress) -> Fingerprint:
        """Read every training case, write nothing."""
        ...


@dataclass(frozen=True)
class PlanningContext:
    """What a planner is told besides the fingerprint.

    Attributes:
        dataset: the dataset's name.
        name: the name of the plans.
        recipe: the recipe that `choices` were expanded from.
        choices: the component of every kind that is chosen once per plan, and the architecture where the user or
            the recipe names one; a planner takes its own favourite where it is absent. A normalizer that is named is
            for every channel; where it is absent, channels are normalised by their names.
        architecture_options: what the user or the recipe sets for the architecture, whoever names it.
        registry: where the architecture and the normalizers are looked up.
        progress: where to say what the user should know, such as a channel name that says nothing.
    """

    dataset: str
    name: str
    recipe: str
    choices: Mapping[Kind, Choice]
    registry: Registry
    architecture_options: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress = field(default_factory=Silent)


class Planner(Protocol):
    """Turns a fingerprint into plans."""

    def plan(self, fingerprint: Fingerprint, description: DatasetDescription, context: PlanningContext) -> Plans:
        """Decide everything that is decided from data. No files, no randomness, no network built."""
        ...


class Normalizer(Protocol):
    """Brings the intensities of one channel to a common scale.

    Attributes:
        zeroes_outside_mask: whether, with a mask, voxels outside it are 0 afterwards and must stay so through
            augmentation.
    """

    zeroes_outside_mask: ClassVar[bool]

    def normalize(
        self, image: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_] | None, intensity: IntensityStats | None
    ) -> npt.NDArray[np.float32]:
        """Normalise one channel (z, y, x), cropped and not yet resampled; it may be changed in place.

        Args:
            image: intensities in the image's own units.
            mask: the nonzero region where the plans ask for it, else None.
            intensity: the dataset's foreground statistics of this channel, None where there are none.

        Raises:
            NnplugError: the values do not suit this normalizer; the message quotes one and the remedy.
        """
        ...


@dataclass(frozen=True)
class Topology:
    """A U-shaped network's geometry, as a planner decides it; one entry per stage, from fine to coarse.

    Attributes:
        strides: per stage and axis; the first stage has 1.
        kernel_sizes: per stage and axis.
        features_per_stage: channels after each stage.
    """

    strides: tuple[tuple[int, ...], ...]
    kernel_sizes: tuple[tuple[int, ...], ...]
    features_per_stage: tuple[int, ...]


class Architecture(Protocol):
    """A network. Its options are what the plans store; torch is imported in `build` only."""

    @classmethod
    def options_for(cls, topology: Topology) -> Mapping[str, Any]:
        """The options (JSON values) with which this network has that geometry."""
        ...

    def feature_map_elements(self, patch_size: Sequence[int], *, channels: int, heads: int) -> int:
        """Elements of all feature maps of one sample: the planner's measure of memory, by arithmetic."""
        ...

    def check_patch(self, patch_size: Sequence[int]) -> None:
        """Raise `NnplugError` with the nearest size that fits if the network cannot take such a patch."""
        ...

    def build(self, *, channels: int, outputs: int) -> torch.nn.Module:
        """The module, freshly initialised from torch's generator.

        In training mode it gives a list of logits (B, outputs, *patch) from fine to coarse (deep supervision), in
        evaluation mode the full-resolution logits alone. Both have the same state dict.
        """
        ...


class AcceleratedArchitecture(Architecture, Protocol):
    """A network that predicts faster in another form. Nobody need offer this: the core looks for the method."""

    def for_prediction(self, network: torch.nn.Module, device: torch.device) -> torch.nn.Module:
        """What `build` gave, in evaluation mode on `device`, in a form that computes the same faster.

        Its state dict is that of `network`, whose weights are loaded afterwards, again and again. Logits may differ by
        rounding, by so little that the labels of 99.95 % of the foreground stay. Gradients are not needed.
        """
        ...


@dataclass(frozen=True)
class AugmentationContext:
    """What an augmenter is told about the training.

    Attributes:
        patch_size: of the network's input, 2 or 3 axes.
        mirror_axes: spatial axes that may be mirrored.
        masked_channels: channels that are 0 outside the nonzero mask (label -1) and must stay so.
        labels: classes or regions.
        previous_labels: values of the previous stage's label map that become channels; empty without a cascade.
    """

    patch_size: tuple[int, ...]
    mirror_axes: tuple[int, ...]
    masked_channels: tuple[int, ...]
    labels: Labels
    previous_labels: tuple[int, ...] = ()


class Augmentation(Protocol):
    """An augmenter bound to a training.

    Attributes:
        source_patch_size: the larger patch that the loader cuts, so that rotation and scaling see no border.
    """

    @property
    def source_patch_size(self) -> tuple[int, ...]:
        """See the class."""
        ...

    def __call__(
        self, image: npt.NDArray[np.float32], label: npt.NDArray[np.int16], rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int16]]:
        """Augment one sample.

        Args:
            image: (C, *source_patch_size).
            label: (*source_patch_size); -1 outside the nonzero mask and outside the image.
            rng: the only source of randomness.

        Returns:
            image (C, *patch_size) and label (*patch_size) in which -1 has become 0.
        """
        ...


class CascadeAugmentation(Augmentation, Protocol):
    """What an augmenter that `takes_previous_stage` gives: it moves the previous stage's label map with the image."""

    def __call__(
        self,
        image: npt.NDArray[np.float32],
        label: npt.NDArray[np.int16],
        rng: np.random.Generator,
        *,
        previous: npt.NDArray[np.int16] | None = None,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int16]]:
        """Augment one sample.

        Args:
            image: as in `Augmentation`.
            label: as in `Augmentation`.
            rng: as in `Augmentation`.
            previous: (*source_patch_size), the previous stage's label map, -1 outside the image; None without one.

        Returns:
            image (C + len(previous_labels), *patch_size), the last channels one-hot in the order of the context's
            `previous_labels`, and label as in `Augmentation`.
        """
        ...


class Augmenter(Protocol):
    """Makes the random transforms of training patches.

    A class attribute `takes_previous_stage = True` says that `bind` gives a `CascadeAugmentation`; one that does not
    say so is refused where a configuration refines the prediction of another.
    """

    def bind(self, context: AugmentationContext) -> Augmentation:
        """Prepare for one training."""
        ...


@dataclass(frozen=True)
class TrainingTask:
    """All that a trainer uses; it looks up nothing.

    Attributes:
        network: in training mode gives logits from fine to coarse; on the CPU, initialised from the run's seed.
        configuration: patch, batch size, batch Dice.
        labels: classes or regions, and the ignore label.
        cases: the preprocessed cases; in a cascade with what the previous stage predicted.
        training: names of the cases to learn from.
        validation: names of the cases to watch; for fold "all" the same.
        augmenter: random transforms.
        masked_channels: channels that are 0 outside the nonzero mask.
        device: where to train.
        run: the folder to write into; a `state.pt` there is gone on from.
        seed: of every random draw.
        workers: threads that load and augment; the losses do not depend on it.
        progress: where to report.
        world: the processes that train this network together. Each has a device, its share of every batch and the
            same `run`, into which the first alone writes.
    """

    network: torch.nn.Module
    configuration: Configuration
    labels: Labels
    cases: CaseStore
    training: tuple[str, ...]
    validation: tuple[str, ...]
    augmenter: Augmenter
    masked_channels: tuple[int, ...]
    device: torch.device
    run: RunFolder
    seed: int
    workers: int
    progress: Progress
    world: World = ALONE

    @property
    def previous_labels(self) -> tuple[int, ...]:
        """Values of each case's `previous` label map that are input channels, after the image's; none as a rule."""
        return self.configuration.previous_labels(self.labels)


class Trainer(Protocol):
    """A training procedure.

    A class attribute `takes_previous_stage = True` says that it gives the network `TrainingTask.previous_labels`; one
    that does not say so is refused where a configuration refines the prediction of another. Likewise
    `takes_several_devices = True` says that it heeds `TrainingTask.world`.
    """

    def mirror_axes(self, dimensions: int) -> tuple[int, ...]:
        """The spatial axes mirrored in training, and so in prediction; recorded with the model."""
        ...

    def train(self, task: TrainingTask) -> None:
        """Train to the end, going on from `task.run.state` where it exists.

        Leaves `log.jsonl`, `weights_best.safetensors` and `weights_final.safetensors` in the run's folder, and last of
        all removes the state.
        Killed at any instant, it leaves what the next call goes on from, with equal results.
        """
        ...


class ExtensibleTrainer(Trainer, Protocol):
    """A training procedure that can go on with a finished run. Nobody need offer this: the core looks for the method.

    At its end `train` leaves `task.run.final_state`, which with the final weights is enough to go on. To extend the
    run, the core renames it to `task.run.state` and calls `train` with the new options.
    """

    def extends(self, earlier: Trainer) -> bool:
        """Whether a run that was finished with the options of `earlier` can go on with these."""
        ...


@dataclass(frozen=True)
class LabelledCase:
    """A predicted and a reference label map of one case."""

    name: str
    prediction: Path
    reference: Path


class Postprocessor(Protocol):
    """A rule fitted on validation predictions and applied to label maps."""

    def fit(
        self, cases: Sequence[LabelledCase], labels: Labels, *, executor: Executor, progress: Progress
    ) -> Mapping[str, Any]:
        """Choose the rule, as JSON; it travels with the model."""
        ...

    def apply(
        self,
        label_map: npt.NDArray[np.integer[Any]],
        rule: Mapping[str, Any],
        *,
        spacing: Sequence[float],
        labels: Labels,
    ) -> npt.NDArray[np.integer[Any]]:
        """Apply a fitted rule to a (z, y, x) label map with spacing in mm; the argument stays as it is."""
        ...


Better = Literal["higher", "lower"]
"""Which values of a figure are the good ones."""

Figures = Mapping[str, float | int]
"""Name of a figure -> its value for one case and one class or region."""


class Metric(Protocol):
    """Scores a label map against its reference.

    Attributes:
        figures: the names of all that it measures, in the order of a table.
        ranked: those by which `nnplug rank` compares submissions, and which values win.
    """

    figures: ClassVar[tuple[str, ...]]
    ranked: ClassVar[Mapping[str, Better]]

    def measure(
        self,
        reference: npt.NDArray[np.integer[Any]],
        prediction: npt.NDArray[np.integer[Any]],
        labels: Labels,
        *,
        spacing: Sequence[float],
    ) -> Mapping[str, Figures]:
        """Score one case.

        Args:
            reference: label values (z, y, x); stays as it is.
            prediction: label values, the same shape; stays as it is.
            labels: classes or regions; voxels whose reference is `labels.ignore` must not count.
            spacing: (z, y, x) in mm.

        Returns:
            Key of the class or region, as in `labels.keys` -> all of `figures`. NaN says that there is nothing to
            measure, as where neither map holds the class: means over cases leave it out, and ranks count it as best.
        """
        ...
