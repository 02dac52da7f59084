"""The contract of each kind of component, as a Protocol. Inherit from it, and mypy checks your class.

A component is a class, best a frozen data class. Its keyword arguments are its options, which `--set KIND.KEY=VALUE`
and recipes set. Arrays are (C, z, y, x) or (z, y, x); in 2d configurations the network's patches are (y, x).
"""

from nnplug.contracts.accelerator import Accelerator, Workload
from nnplug.contracts.architecture import (
    Architecture,
    HeadedArchitecture,
    PatchArchitecture,
    Topology,
    TopologyArchitecture,
)
from nnplug.contracts.augmenter import (
    Augmentation,
    AugmentationContext,
    Augmenter,
    BatchAugmentation,
    BatchAugmenter,
    CascadeAugmentation,
    DrawnSamples,
)
from nnplug.contracts.converter import Converter, SourceScan
from nnplug.contracts.extractor import Extractor
from nnplug.contracts.hub import Hub
from nnplug.contracts.inference import Inference, InferenceContext, SlabInference
from nnplug.contracts.loss import Loss, LossContext, LossFunction
from nnplug.contracts.metric import Better, Figures, Metric, RankedFigure
from nnplug.contracts.normalizer import Normalizer
from nnplug.contracts.planner import MemoryPlanner, Planner, PlanningContext
from nnplug.contracts.postprocessor import FigurePostprocessor, LabelledCase, Postprocessor
from nnplug.contracts.preprocessor import (
    CascadePreprocessing,
    Channel,
    Inverse,
    Preprocessing,
    PreprocessingContext,
    Preprocessor,
)
from nnplug.contracts.preprocessor.crop_inverse import CropInverse
from nnplug.contracts.preprocessor.resampler import Regrid, Resampler
from nnplug.contracts.reporter import FinishedRun, Reporter
from nnplug.contracts.sampler import PatchPlace, Sampler, Sampling, SamplingContext
from nnplug.contracts.trainer import (
    AdaptiveTrainer,
    ExtensibleTrainer,
    RehearsingTrainer,
    Trainer,
    TrainingLength,
    TrainingRehearsal,
    TrainingTask,
)
from nnplug.contracts.trainer.case_indexer import CaseIndexer
from nnplug.contracts.trainer.run_log import LogLine, append_log, read_log, truncate_log
from nnplug.contracts.trainer.tracker import TrackedRun, Tracker, epoch_figures
from nnplug.contracts.writer import DatasetWriter, PredictedCase, PredictingModel, Writer
from nnplug.io.reader import FolderReader, FoundImage, ImageWriter, LabelReader, Reader, SidecarReader
from nnplug.runtime.executor import Executor
from nnplug.workspace.case_index import CaseIndex

__all__ = [
    "Accelerator",
    "AdaptiveTrainer",
    "Architecture",
    "Augmentation",
    "AugmentationContext",
    "Augmenter",
    "BatchAugmentation",
    "BatchAugmenter",
    "Better",
    "CascadeAugmentation",
    "CascadePreprocessing",
    "CaseIndex",
    "CaseIndexer",
    "Channel",
    "Converter",
    "CropInverse",
    "DatasetWriter",
    "DrawnSamples",
    "Executor",
    "ExtensibleTrainer",
    "Extractor",
    "FigurePostprocessor",
    "Figures",
    "FinishedRun",
    "FolderReader",
    "FoundImage",
    "HeadedArchitecture",
    "Hub",
    "ImageWriter",
    "Inference",
    "InferenceContext",
    "Inverse",
    "LabelReader",
    "LabelledCase",
    "LogLine",
    "Loss",
    "LossContext",
    "LossFunction",
    "MemoryPlanner",
    "Metric",
    "Normalizer",
    "PatchArchitecture",
    "PatchPlace",
    "Planner",
    "PlanningContext",
    "Postprocessor",
    "PredictedCase",
    "PredictingModel",
    "Preprocessing",
    "PreprocessingContext",
    "Preprocessor",
    "RankedFigure",
    "Reader",
    "Regrid",
    "RehearsingTrainer",
    "Reporter",
    "Resampler",
    "Sampler",
    "Sampling",
    "SamplingContext",
    "SidecarReader",
    "SlabInference",
    "SourceScan",
    "Topology",
    "TopologyArchitecture",
    "TrackedRun",
    "Tracker",
    "Trainer",
    "TrainingLength",
    "TrainingRehearsal",
    "TrainingTask",
    "Workload",
    "Writer",
    "append_log",
    "epoch_figures",
    "read_log",
    "truncate_log",
]
