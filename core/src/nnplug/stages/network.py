"""A model's network on its device, which takes the weights of one fold after the other."""

from __future__ import annotations

from pathlib import Path

import torch

from nnplug.blame import blamed
from nnplug.components import Kind, Registry
from nnplug.contracts import Architecture
from nnplug.errors import InvalidFile
from nnplug.ops.one_hot import expand_last_channel
from nnplug.runtime.device import autocast, autocast_dtype, memory_format
from nnplug.stages.blaming import build_network
from nnplug.stages.model import Model
from nnplug.stages.weights import WeightFiles


class LoadedNetwork:
    """A network that is built once; called with a fold's weights, it computes with these.

    In float32, on CUDA in half precision. In a cascade the last channel of its input is the previous stage's label map,
    which it makes one-hot.
    """

    def __init__(self, model: Model, registry: Registry, device: torch.device) -> None:
        """Build it on the device, in its architecture's form for predicting where it offers one."""
        self._device = device
        self._states = WeightFiles(model.weights)
        self._loaded: Path | None = None
        configuration, labels = model.plans.configuration(model.configuration), model.description.labels
        self._previous_labels = configuration.previous_labels(labels)
        choice = configuration.architecture
        self._architecture: Architecture = registry.create(Kind.ARCHITECTURE, choice.name, choice.options)
        channels = configuration.input_channels(model.description)
        module = build_network(self._architecture, channels=channels, outputs=labels.outputs)
        order = memory_format(device, configuration.dimensions)
        self.module = self._for_prediction(module.eval().to(device, memory_format=order))  # type: ignore[call-overload]

    def __call__(self, weights: Path, windows: torch.Tensor) -> torch.Tensor:
        """Logits (B, K, *patch) of windows (B, C, *patch).

        Raises:
            InvalidFile: the weights are not those of this network.
        """
        self._load(weights)
        if self._previous_labels:
            windows = expand_last_channel(windows, self._previous_labels)
        half = autocast_dtype(self._device) if self._device.type == "cuda" else None
        with blamed(self._architecture), autocast(self._device, half):
            logits: torch.Tensor = self.module(windows)
        return logits

    def _for_prediction(self, module: torch.nn.Module) -> torch.nn.Module:
        accelerate = getattr(self._architecture, "for_prediction", None)
        with blamed(self._architecture):
            return module if accelerate is None else accelerate(module, self._device)

    def _load(self, weights: Path) -> None:
        if weights == self._loaded:
            return
        try:
            self.module.load_state_dict(self._states[weights])
        except RuntimeError as error:  # PyTorch lists every difference; the first tells enough
            detail = str(error).splitlines()[1:2] or [str(error)]
            raise InvalidFile(f"{weights}: does not fit the network of its plans ({detail[0].strip()})") from error
        self._loaded = weights
