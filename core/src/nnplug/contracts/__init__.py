"""The contract of each kind of component. Inherit from a Protocol to have mypy check your class.

A component is a class; its keyword arguments are its options (a frozen dataclass is the natural form), which
`--set KIND.KEY=VALUE` and recipes fill in. Arrays are (C, z, y, x) or (z, y, x); in 2d configurations the
network sees (y, x) patches.
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
from nnplug.contracts.metric import Better, Figures, Metric
from nnplug.contracts.normalizer import Normalizer
from nnplug.contracts.planner import Planner, PlanningContext
from nnplug.contracts.postprocessor import LabelledCase, Postprocessor
from nnplug.contracts.preprocessor import (
    CascadePreprocessing,
    Channel,
    Inverse,
    Preprocessing,
    PreprocessingContext,
    Preprocessor,
)
from nnplug.contracts.preprocessor.crop_inverse import CropInverse
from nnplug.contracts.trainer import ExtensibleTrainer, Trainer, TrainingLength, TrainingTask
from nnplug.contracts.trainer.case_indexer import CaseIndexer
from nnplug.contracts.trainer.run_log import LogLine, append_log, read_log, truncate_log
from nnplug.runtime.executor import Executor
from nnplug.workspace.case_index import CaseIndex

__all__ = [
    "Accelerator",
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
    "DrawnSamples",
    "Executor",
    "ExtensibleTrainer",
    "Extractor",
    "Figures",
    "HeadedArchitecture",
    "Inverse",
    "LabelledCase",
    "LogLine",
    "Metric",
    "Normalizer",
    "PatchArchitecture",
    "Planner",
    "PlanningContext",
    "Postprocessor",
    "Preprocessing",
    "PreprocessingContext",
    "Preprocessor",
    "SourceScan",
    "Topology",
    "TopologyArchitecture",
    "Trainer",
    "TrainingLength",
    "TrainingTask",
    "Workload",
    "append_log",
    "read_log",
    "truncate_log",
]
