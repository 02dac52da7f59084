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
    "hookimpl",
]


_LAZY = {"CaseStore": "nnplug.workspace.case_store", "Predictor": "nnplug.inference.predictor"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'nnplug' has no attribute {name!r}")
