"""Each kind with the types of its entries and components: `registry.create(TRAINER, name)` returns a `Trainer`."""

from __future__ import annotations

from nnplug.contracts.accelerator import Accelerator
from nnplug.contracts.architecture import Architecture
from nnplug.contracts.augmenter import Augmenter
from nnplug.contracts.converter import Converter
from nnplug.contracts.extractor import Extractor
from nnplug.contracts.hub import Hub
from nnplug.contracts.inference import Inference
from nnplug.contracts.loss import Loss
from nnplug.contracts.metric import Metric
from nnplug.contracts.normalizer import Normalizer
from nnplug.contracts.planner import Planner
from nnplug.contracts.postprocessor import Postprocessor
from nnplug.contracts.preprocessor import Preprocessor
from nnplug.contracts.preprocessor.resampler import Resampler
from nnplug.contracts.reporter import Reporter
from nnplug.contracts.sampler import Sampler
from nnplug.contracts.trainer import Trainer
from nnplug.contracts.trainer.tracker import Tracker
from nnplug.contracts.writer import Writer
from nnplug.io.readers import READER, ReaderEntry
from nnplug.registry.components import Entry, TypedKind
from nnplug.registry.entries import (
    AcceleratorComponent,
    ArchitectureComponent,
    AugmenterComponent,
    ConverterComponent,
    ExecutorComponent,
    ExtractorComponent,
    HubComponent,
    InferenceComponent,
    LossComponent,
    MetricComponent,
    NormalizerComponent,
    PlannerComponent,
    PostprocessorComponent,
    PreprocessorComponent,
    ReporterComponent,
    ResamplerComponent,
    SamplerComponent,
    TrackerComponent,
    TrainerComponent,
)
from nnplug.registry.reader_entry import WriterComponent
from nnplug.runtime.executor import Executor

__all__ = [
    "ACCELERATOR",
    "ARCHITECTURE",
    "AUGMENTER",
    "CONVERTER",
    "EXECUTOR",
    "EXTRACTOR",
    "HUB",
    "INFERENCE",
    "LOSS",
    "METRIC",
    "NORMALIZER",
    "PLANNER",
    "POSTPROCESSOR",
    "PREPROCESSOR",
    "READER",
    "REPORTER",
    "RESAMPLER",
    "SAMPLER",
    "TRACKER",
    "TRAINER",
    "WRITER",
    "AcceleratorEntry",
    "ArchitectureEntry",
    "AugmenterEntry",
    "InferenceEntry",
    "PlannerEntry",
    "PostprocessorEntry",
    "PreprocessorEntry",
    "ReaderEntry",
    "SamplerEntry",
    "TrainerEntry",
    "WriterEntry",
]

EXTRACTOR = TypedKind[ExtractorComponent, Extractor](ExtractorComponent)
PLANNER = TypedKind[PlannerComponent, Planner](PlannerComponent)
PREPROCESSOR = TypedKind[PreprocessorComponent, Preprocessor](PreprocessorComponent)
RESAMPLER = TypedKind[ResamplerComponent, Resampler](ResamplerComponent)
NORMALIZER = TypedKind[NormalizerComponent, Normalizer](NormalizerComponent)
ARCHITECTURE = TypedKind[ArchitectureComponent, Architecture](ArchitectureComponent)
AUGMENTER = TypedKind[AugmenterComponent, Augmenter](AugmenterComponent)
SAMPLER = TypedKind[SamplerComponent, Sampler](SamplerComponent)
LOSS = TypedKind[LossComponent, Loss](LossComponent)
TRAINER = TypedKind[TrainerComponent, Trainer](TrainerComponent)
INFERENCE = TypedKind[InferenceComponent, Inference](InferenceComponent)
POSTPROCESSOR = TypedKind[PostprocessorComponent, Postprocessor](PostprocessorComponent)
METRIC = TypedKind[MetricComponent, Metric](MetricComponent)
CONVERTER = TypedKind[ConverterComponent, Converter](ConverterComponent)
TRACKER = TypedKind[TrackerComponent, Tracker](TrackerComponent)
WRITER = TypedKind[WriterComponent, Writer](WriterComponent)
REPORTER = TypedKind[ReporterComponent, Reporter](ReporterComponent)
HUB = TypedKind[HubComponent, Hub](HubComponent)
EXECUTOR = TypedKind[ExecutorComponent, Executor](ExecutorComponent)
ACCELERATOR = TypedKind[AcceleratorComponent, Accelerator](AcceleratorComponent)

PlannerEntry = Entry[PlannerComponent, Planner]
ArchitectureEntry = Entry[ArchitectureComponent, Architecture]
AugmenterEntry = Entry[AugmenterComponent, Augmenter]
PreprocessorEntry = Entry[PreprocessorComponent, Preprocessor]
SamplerEntry = Entry[SamplerComponent, Sampler]
InferenceEntry = Entry[InferenceComponent, Inference]
TrainerEntry = Entry[TrainerComponent, Trainer]
WriterEntry = Entry[WriterComponent, Writer]
PostprocessorEntry = Entry[PostprocessorComponent, Postprocessor]
AcceleratorEntry = Entry[AcceleratorComponent, Accelerator]
