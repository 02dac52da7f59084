"""nnplug: self-configuring medical image segmentation. Every part is a named component that a plugin offers.

`import nnplug` loads neither numpy nor torch; modules that need them are imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nnplug.errors import NnplugError
from nnplug.hookspecs import hookimpl
from nnplug.registry.commands import PluginCommand
from nnplug.registry.components import Component, Kind, Recipe
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
from nnplug.registry.loader import Plugins
from nnplug.registry.reader_entry import ReaderComponent, WriterComponent

if TYPE_CHECKING:
    from nnplug.inference.predictor import Predictor
    from nnplug.steps.planning import plan
    from nnplug.steps.predicting import predict
    from nnplug.steps.preparing import fingerprint, preprocess, verify
    from nnplug.steps.run import run
    from nnplug.steps.scoring import evaluate, select
    from nnplug.steps.splitting import split
    from nnplug.steps.training import train
    from nnplug.workspace.case_store import CaseStore

__all__ = [
    "AcceleratorComponent",
    "ArchitectureComponent",
    "AugmenterComponent",
    "CaseStore",
    "Component",
    "ConverterComponent",
    "ExecutorComponent",
    "ExtractorComponent",
    "HubComponent",
    "InferenceComponent",
    "Kind",
    "LossComponent",
    "MetricComponent",
    "NnplugError",
    "NormalizerComponent",
    "PlannerComponent",
    "PluginCommand",
    "Plugins",
    "PostprocessorComponent",
    "Predictor",
    "PreprocessorComponent",
    "ReaderComponent",
    "Recipe",
    "ReporterComponent",
    "ResamplerComponent",
    "SamplerComponent",
    "TrackerComponent",
    "TrainerComponent",
    "WriterComponent",
    "evaluate",
    "fingerprint",
    "hookimpl",
    "plan",
    "predict",
    "preprocess",
    "run",
    "select",
    "split",
    "train",
    "verify",
]


_LAZY = {
    "CaseStore": "nnplug.workspace.case_store",
    "Predictor": "nnplug.inference.predictor",
    "evaluate": "nnplug.steps.scoring",
    "fingerprint": "nnplug.steps.preparing",
    "plan": "nnplug.steps.planning",
    "predict": "nnplug.steps.predicting",
    "preprocess": "nnplug.steps.preparing",
    "run": "nnplug.steps.run",
    "select": "nnplug.steps.scoring",
    "split": "nnplug.steps.splitting",
    "train": "nnplug.steps.training",
    "verify": "nnplug.steps.preparing",
}
"""Name -> its module, imported at the first use; the functions are the steps, one per command."""


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'nnplug' has no attribute {name!r}")
