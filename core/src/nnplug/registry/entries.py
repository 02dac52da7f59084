"""The entries that plugins offer: a name, the import path of the implementation, and its capabilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field

from nnplug.errors import InvalidPlugin
from nnplug.registry.base_entry import Component, ImpliableComponent, Kind, check_target, promises
from nnplug.registry.reader_entry import ReaderComponent, WriterComponent, is_ending


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
        takes_resampler: whether it resamples by `PreprocessingContext.resampler`. If not, plans that name a resampler
            are refused.
    """

    kind = Kind.PREPROCESSOR

    _: KW_ONLY
    takes_previous_stage: bool = False
    takes_resampler: bool = False


@dataclass(frozen=True)
class ResamplerComponent(Component):
    """An entry of `nnplug_resamplers`."""

    kind = Kind.RESAMPLER


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
        takes_unlabelled: whether the trainer learns from `TrainingTask.unlabelled`. If so, the images in the dataset's
            folder `imagesUn` are preprocessed for it.
        adapts: whether the class has `adapted` of `nnplug.contracts.AdaptiveTrainer`.
        extends_runs: whether the class has `extends` of `nnplug.contracts.ExtensibleTrainer`.
        rehearses: whether the class has `rehearse` of `nnplug.contracts.RehearsingTrainer`. If not, the memory of its
            training is not known before it starts.
        case_index: "package.module:attribute" of a `nnplug.contracts.CaseIndexer`, which is imported without the
            target; None if the trainer needs only the preprocessed cases.
    """

    kind = Kind.TRAINER

    _: KW_ONLY
    takes_previous_stage: bool = False
    takes_several_devices: bool = False
    takes_loss: bool = False
    takes_sampler: bool = False
    takes_unlabelled: bool = False
    adapts: bool = field(default=False, metadata=promises("adapted"))
    extends_runs: bool = field(default=False, metadata=promises("extends"))
    rehearses: bool = field(default=False, metadata=promises("rehearse"))
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
    """An entry of `nnplug_postprocessors`.

    Attributes:
        fits_by_figure: whether the class has `fit_by` of `nnplug.contracts.FigurePostprocessor`. If not, the rule is
            fitted by the postprocessor's own criterion, also where users name a metric.
    """

    kind = Kind.POSTPROCESSOR
    fits_by_figure: bool = field(default=False, metadata=promises("fit_by"))


@dataclass(frozen=True)
class MetricComponent(Component):
    """An entry of `nnplug_metrics`."""

    kind = Kind.METRIC


@dataclass(frozen=True)
class ConverterComponent(Component):
    """An entry of `nnplug_converters`.

    Attributes:
        source_ending: the ending of the file to convert, such as ".json" for a list of cases, in lower case with the
            leading dot; empty for a converter of folders.
    """

    kind = Kind.CONVERTER

    _: KW_ONLY
    source_ending: str = ""

    def __post_init__(self) -> None:
        """Raise `InvalidPlugin` unless the fields of `Component` and the ending are valid."""
        super().__post_init__()
        if self.source_ending and not is_ending(self.source_ending):
            raise InvalidPlugin(
                f"source_ending of component {self.name!r} is {self.source_ending!r}; expected lower case with a dot, "
                "such as .json"
            )


@dataclass(frozen=True)
class TrackerComponent(Component):
    """An entry of `nnplug_trackers`."""

    kind = Kind.TRACKER


@dataclass(frozen=True)
class ReporterComponent(Component):
    """An entry of `nnplug_reporters`."""

    kind = Kind.REPORTER


@dataclass(frozen=True)
class HubComponent(Component):
    """An entry of `nnplug_hubs`."""

    kind = Kind.HUB


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
    ResamplerComponent,
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
    WriterComponent,
    TrackerComponent,
    ReporterComponent,
    HubComponent,
    ExecutorComponent,
    AcceleratorComponent,
)
COMPONENTS: Mapping[Kind, type[Component]] = {one.kind: one for one in _CLASSES}
"""The class of the entries of each kind, in the order of `Kind`."""
