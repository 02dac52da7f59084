"""The entries that plugins offer: a name, the import path of the implementation, and its capabilities."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
from enum import StrEnum
from typing import Any, ClassVar

from nnplug.errors import InvalidPlugin

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_METHODS = "methods"


class Kind(StrEnum):
    """The kinds of component that a plugin can offer: first those that a run uses, in this order; then the others."""

    EXTRACTOR = "extractor"
    PLANNER = "planner"
    PREPROCESSOR = "preprocessor"
    NORMALIZER = "normalizer"
    ARCHITECTURE = "architecture"
    AUGMENTER = "augmenter"
    SAMPLER = "sampler"
    LOSS = "loss"
    TRAINER = "trainer"
    INFERENCE = "inference"
    POSTPROCESSOR = "postprocessor"
    METRIC = "metric"
    CONVERTER = "converter"
    READER = "reader"
    EXECUTOR = "executor"
    ACCELERATOR = "accelerator"

    @property
    def planned(self) -> bool:
        """Return whether plans name a component of this kind. The other kinds are chosen for each command."""
        return self not in (Kind.METRIC, Kind.CONVERTER, Kind.READER, Kind.EXECUTOR, Kind.ACCELERATOR)

    @property
    def hook(self) -> str:
        """The hook that offers components of this kind."""
        return f"nnplug_{self}es" if self.endswith("s") else f"nnplug_{self}s"


def check_name(what: str, name: str) -> None:
    """Raise `InvalidPlugin` unless a name is lower-case words joined by hyphens."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidPlugin(f"{what} name {name!r} is not lower-case words joined by hyphens")


def check_summary(what: str, name: str, summary: str) -> None:
    """Raise `InvalidPlugin` unless a summary is one line of text."""
    if not isinstance(summary, str) or len(summary.splitlines()) > 1:
        raise InvalidPlugin(f"summary of {what} {name!r} is {summary!r}, which is no line of text")


def _check_target(what: str, target: str, name: str) -> None:
    if not isinstance(target, str) or not _TARGET.fullmatch(target):
        raise InvalidPlugin(f"{what} {target!r} of component {name!r} is not 'package.module:attribute'")


def check_flags(what: str, name: str, entry: Any) -> None:
    """Raise `InvalidPlugin` unless the flags of an entry are booleans."""
    for flag in fields(entry):
        if type(flag.default) is bool and type(value := vars(entry)[flag.name]) is not bool:
            raise InvalidPlugin(f"{flag.name} of {what} {name!r} is {value!r}; expected True or False")


@dataclass(frozen=True)
class Component:
    """One implementation that can be chosen: a name and an import path.

    Hooks return the subclass of their kind, such as `ArchitectureComponent`. The fields that a subclass adds are
    keyword-only and declare the capabilities of the implementation beyond the contract of its kind.

    Attributes:
        name: the name that users type and that plans and weights record; lower-case words joined by hyphens.
        target: "package.module:attribute", a class whose keyword arguments are the component's options.
            It is imported when a user chooses the name, never by a listing.
        summary: one line for `nnplug components`.
        state_version: increase it when weights or rules that an older version saved can no longer be read.
    """

    kind: ClassVar[Kind]

    name: str
    target: str
    summary: str
    state_version: int = 1

    def __post_init__(self) -> None:
        """Raise `InvalidPlugin` unless name, target, summary, version and flags are valid."""
        check_name("component", self.name)
        check_summary("component", self.name, self.summary)
        _check_target("target", self.target, self.name)
        if type(self.state_version) is not int:
            raise InvalidPlugin(f"state_version of component {self.name!r} is {self.state_version!r}; expected an int")
        check_flags("component", self.name, self)

    def promised(self) -> Iterator[tuple[str, str]]:
        """Yield each capability ("has_linear_head") that is set, with each method that the class needs for it."""
        for flag in fields(self):
            for method in flag.metadata.get(_METHODS, ()) if vars(self)[flag.name] else ():
                yield flag.name, method


def _promises(*methods: str) -> Mapping[str, Any]:
    """Return the metadata of a flag that requires methods of the class."""
    return {_METHODS: methods}


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
    plans_for_memory: bool = field(default=False, metadata=_promises("memory_target"))


@dataclass(frozen=True)
class ImpliableComponent(Component):
    """An entry of a kind that plans of an older nnplug do not name.

    Attributes:
        implied: whether plans without a name of this kind mean this one. Plans have no name if nnplug made them before
            the kind existed. Only the component that does what nnplug did then has True.
    """

    _: KW_ONLY
    implied: bool = False


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
    takes_topology: bool = field(default=False, metadata=_promises("options_for"))
    has_linear_head: bool = field(default=False, metadata=_promises("split_head"))

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
    augments_batches: bool = field(default=False, metadata=_promises("bind_batches"))


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
    extends_runs: bool = field(default=False, metadata=_promises("extends"))
    case_index: str | None = None

    def __post_init__(self) -> None:
        """Raise `InvalidPlugin` unless the fields of `Component` and the path of the index are valid."""
        super().__post_init__()
        _check_case_index(self)


def _check_case_index(component: TrainerComponent | SamplerComponent) -> None:
    if component.case_index is not None:
        _check_target("case_index", component.case_index, component.name)


@dataclass(frozen=True)
class InferenceComponent(ImpliableComponent):
    """An entry of `nnplug_inferences`.

    Attributes:
        gives_slabs: whether the class has `slabs` of `nnplug.contracts.SlabInference`. If not, the logits of the whole
            image are in memory.
    """

    kind = Kind.INFERENCE

    _: KW_ONLY
    gives_slabs: bool = field(default=False, metadata=_promises("slabs"))


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
        has_sidecars: whether the class has the methods of `nnplug.contracts.SidecarReader`.
        implied: whether files are read by this reader where no reader is named. Only the core's reader has True.
    """

    kind = Kind.READER

    _: KW_ONLY
    endings: tuple[str, ...]
    reads_also: tuple[str, ...] = ()
    dataset_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    writes_images: bool = field(default=False, metadata=_promises("write_image"))
    has_sidecars: bool = field(default=False, metadata=_promises("read_with", "written_with", "write_sidecars"))
    implied: bool = False

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
    ExecutorComponent,
    AcceleratorComponent,
)
COMPONENTS: Mapping[Kind, type[Component]] = {one.kind: one for one in _CLASSES}
"""The class of the entries of each kind, in the order of `Kind`."""
