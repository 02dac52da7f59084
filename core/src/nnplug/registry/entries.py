"""The entries that plugins offer: a name, the import path of the implementation, and its capabilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from nnplug.errors import InvalidPlugin
from nnplug.registry.base_entry import Component, ImpliableComponent, Kind, check_target, promises


@dataclass(frozen=True)
class ExtractorComponent(Component):
    """An entry of `nnplug_extractors`."""

    kind = Kind.EXTRACTOR


@dataclass(frozen=True)
class PlannerComponent(Component):
    """An entry of `nnplug_planners`.

    Attributes:
        plans_for_memory: whether the class has `memory_target` of `nnplug.contracts.MemoryPlanner`.
    """

    kind = Kind.PLANNER

    _: KW_ONLY
    plans_for_memory: bool = field(default=False, metadata=promises("memory_target"))


@dataclass(frozen=True)
class PreprocessorComponent(ImpliableComponent):
    """An entry of `nnplug_preprocessors`.

    Attributes:
        takes_previous_stage: whether `bind` returns a `nnplug.contracts.CascadePreprocessing`. If not, the preprocessor
            is refused for configurations with a previous stage.
    """

    kind = Kind.PREPROCESSOR

    _: KW_ONLY
    takes_previous_stage: bool = False


@dataclass(frozen=True)
class NormalizerComponent(Component):
    """An entry of `nnplug_normalizers`."""

    kind = Kind.NORMALIZER


@dataclass(frozen=True)
class ArchitectureComponent(Component):
    """An entry of `nnplug_architectures`.

    Attributes:
        takes_topology: whether the network is a U-Net whose stages the planner decides. If so, the class has the method
            `options_for` of `nnplug.contracts.TopologyArchitecture`; if not, it has `options_for_patch` and
            `largest_patch` of `nnplug.contracts.PatchArchitecture`.
        has_linear_head: whether the class has `split_head` of `nnplug.contracts.HeadedArchitecture`.
    """

    kind = Kind.ARCHITECTURE

    _: KW_ONLY
    takes_topology: bool = field(default=False, metadata=promises("options_for"))
    has_linear_head: bool = field(default=False, metadata=promises("split_head"))

    def promised(self) -> Iterator[tuple[str, str]]:
        """Yield as `Component.promised` does, and the methods of an architecture that takes no topology."""
        yield from super().promised()
        if not self.takes_topology:
            yield "takes_topology=False", "options_for_patch"
            yield "takes_topology=False", "largest_patch"


@dataclass(frozen=True)
class AugmenterComponent(Component):
    """An entry of `nnplug_augmenters`.

    Attributes:
        takes_previous_stage: whether `bind` returns a `nnplug.contracts.CascadeAugmentation`. If not, the augmenter is
            refused for configurations with a previous stage.
        augments_batches: whether the class has `bind_batches` of `nnplug.contracts.BatchAugmenter`.
    """

    kind = Kind.AUGMENTER

    _: KW_ONLY
    takes_previous_stage: bool = False
    augments_batches: bool = field(default=False, metadata=promises("bind_batches"))


@dataclass(frozen=True)
class SamplerComponent(Component):
    """An entry of `nnplug_samplers`.

    Attributes:
        case_index: "package.module:attribute" of a `nnplug.contracts.CaseIndexer`, as in `TrainerComponent`. It takes
            precedence over the trainer's; None if the sampler needs only the preprocessed cases.
    """

    kind = Kind.SAMPLER

    _: KW_ONLY
    case_index: str | None = None

    def __post_init__(self) -> None:
        """Raise `InvalidPlugin` unless the fields of `Component` and the path of the index are valid."""
        super().__post_init__()
        _check_case_index(self)


@dataclass(frozen=True)
class LossComponent(Component):
    """An entry of `nnplug_losses`.

    Attributes:
        takes_several_devices: whether the loss sums over the batch by `nnplug.contracts.LossContext.world`. If not, the
            loss is refused for several devices.
    """

    kind = Kind.LOSS

    _: KW_ONLY
    takes_several_devices: bool = False


@dataclass(frozen=True)
class TrainerComponent(Component):
    """An entry of `nnplug_trainers`.

    Attributes:
        takes_previous_stage: whether the trainer adds the channels of `TrainingTask.previous_labels` to the network's
            input. If not, the trainer is refused for configurations with a previous stage.
        takes_several_devices: whether the trainer divides batches between the processes of `TrainingTask.world`. If
            not, the trainer is refused for several devices.
        takes_loss: whether the trainer minimises `TrainingTask.loss`. If not, plans that name a loss are refused.
        takes_sampler: whether the trainer places patches by `TrainingTask.sampler`. If not, plans that name a sampler
            are refused.
        extends_runs: whether the class has `extends` of `nnplug.contracts.ExtensibleTrainer`.
        case_index: "package.module:attribute" of a `nnplug.contracts.CaseIndexer`, which is imported without the
            target; None if the trainer needs only the preprocessed cases.
    """

    kind = Kind.TRAINER

    _: KW_ONLY
    takes_previous_stage: bool = False
    takes_several_devices: bool = False
    takes_loss: bool = False
    takes_sampler: bool = False
    extends_runs: bool = field(default=False, metadata=promises("extends"))
    case_index: str | None = None

    def __post_init__(self) -> None:
        """Raise `InvalidPlugin` unless the fields of `Component` and the path of the index are valid."""
        super().__post_init__()
        _check_case_index(self)


def _check_case_index(component: TrainerComponent | SamplerComponent) -> None:
    if component.case_index is not None:
        check_target("case_index", component.case_index, component.name)


@dataclass(frozen=True)
class InferenceComponent(ImpliableComponent):
    """An entry of `nnplug_inferences`.

    Attributes:
        gives_slabs: whether the class has `slabs` of `nnplug.contracts.SlabInference`. If not, the logits of the whole
            image are in memory.
    """

    kind = Kind.INFERENCE

    _: KW_ONLY
    gives_slabs: bool = field(default=False, metadata=promises("slabs"))


@dataclass(frozen=True)
class PostprocessorComponent(Component):
    """An entry of `nnplug_postprocessors`."""

    kind = Kind.POSTPROCESSOR


@dataclass(frozen=True)
class MetricComponent(Component):
    """An entry of `nnplug_metrics`."""

    kind = Kind.METRIC


@dataclass(frozen=True)
class ConverterComponent(Component):
    """An entry of `nnplug_converters`."""

    kind = Kind.CONVERTER


@dataclass(frozen=True)
class ReaderComponent(Component):
    """An entry of `nnplug_readers`.

    Attributes:
        endings: the endings of files that the reader reads, and writes as label maps: in lower case with the leading
            dot, such as ".nii.gz".
        reads_also: further endings of files that it only reads; datasets cannot have them, but can be made of them.
        dataset_names: another framework's name for a reader, in `overwrite_image_reader_writer` of `dataset.json` ->
            the endings for which this reader returns the same arrays and spacings.
        writes_images: whether the class has `write_image` of `nnplug.contracts.ImageWriter`, which converters need.
        reads_labels: whether the class has `read_label` of `nnplug.contracts.LabelReader`, for formats whose label maps
            are read otherwise than images.
        has_sidecars: whether the class has the methods of `nnplug.contracts.SidecarReader`.
        implied: whether files are read by this reader where no reader is named. Only the core's reader has True.
    """

    kind = Kind.READER

    _: KW_ONLY
    endings: tuple[str, ...]
    reads_also: tuple[str, ...] = ()
    dataset_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    writes_images: bool = field(default=False, metadata=promises("write_image"))
    reads_labels: bool = field(default=False, metadata=promises("read_label"))
    has_sidecars: bool = field(default=False, metadata=promises("read_with", "written_with", "write_sidecars"))
    implied: bool = False

    def reads_as(self, name: str, ending: str) -> bool:
        """Return whether the reader has this name, or stands for another framework's reader of this name and ending."""
        return name == self.name or ending.lower() in self.dataset_names.get(name, ())

    def __post_init__(self) -> None:
        """Raise `InvalidPlugin` unless the fields of `Component` and the endings are valid."""
        super().__post_init__()
        lists = {"endings": self.endings, "reads_also": self.reads_also, **self.dataset_names}
        for what, endings in lists.items():
            if not isinstance(endings, tuple) or not all(map(_is_ending, endings)):
                raise InvalidPlugin(
                    f"{what} of component {self.name!r} is {endings!r}; expected lower-case endings with a dot, such "
                    'as (".nii.gz", ".nii")'
                )
        if not self.endings:
            raise InvalidPlugin(f"endings of component {self.name!r} is empty; name a file ending that it reads")


def _is_ending(ending: Any) -> bool:
    return isinstance(ending, str) and ending == ending.lower() and ending[:1] == "." and len(ending) > 1


@dataclass(frozen=True)
class TrackerComponent(Component):
    """An entry of `nnplug_trackers`."""

    kind = Kind.TRACKER


@dataclass(frozen=True)
class ExecutorComponent(Component):
    """An entry of `nnplug_executors`."""

    kind = Kind.EXECUTOR


@dataclass(frozen=True)
class AcceleratorComponent(Component):
    """An entry of `nnplug_accelerators`."""

    kind = Kind.ACCELERATOR


_CLASSES: tuple[type[Component], ...] = (
    ExtractorComponent,
    PlannerComponent,
    PreprocessorComponent,
    NormalizerComponent,
    ArchitectureComponent,
    AugmenterComponent,
    SamplerComponent,
    LossComponent,
    TrainerComponent,
    InferenceComponent,
    PostprocessorComponent,
    MetricComponent,
    ConverterComponent,
    ReaderComponent,
    TrackerComponent,
    ExecutorComponent,
    AcceleratorComponent,
)
COMPONENTS: Mapping[Kind, type[Component]] = {one.kind: one for one in _CLASSES}
"""The class of the entries of each kind, in the order of `Kind`."""
