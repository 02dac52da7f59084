"""Write networks as ONNX files."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch

from nnplug_export.schema import Format
from nnplug_export.writers import Computed

LARGEST = 1_800_000_000
"""Bytes of parameters up to which they are in the file itself: a file of protobuf ends at 2 GB."""


class OnnxWriter:
    """A writer of ONNX files by PyTorch's exporter on torch.export.

    The networks of other folds differ in their weights alone. So the graph is made once, which takes half a minute and
    more, and gets the weights of each further network.
    """

    format: Format = "onnx"
    ending = ".onnx"

    def __init__(self) -> None:
        """Begin without a graph."""
        self._graph: onnx.ModelProto | None = None
        self._shape: tuple[int, ...] = ()

    def write(self, network: torch.nn.Module, example: torch.Tensor, path: Path) -> None:
        """See `nnplug_export.writers.NetworkWriter`. Weights of more than 1.8 GB are in a second file beside it."""
        state = {name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}
        if self._graph is None or self._shape != example.shape or not _fits(self._graph, state):
            self._graph, self._shape = _graph(network, example), tuple(example.shape)
        for tensor in self._graph.graph.initializer:
            if tensor.name in state:
                tensor.CopyFrom(onnx.numpy_helper.from_array(state[tensor.name], tensor.name))
        size = sum(array.nbytes for array in state.values())
        onnx.save(
            onnx.ModelProto.FromString(self._graph.SerializeToString()) if size > LARGEST else self._graph,
            path,
            save_as_external_data=size > LARGEST,
            location=f"{path.name}.data",
        )

    def read(self, path: Path) -> Computed:
        """See `nnplug_export.writers.NetworkWriter`; the file is checked by onnx.checker and run by onnxruntime."""
        onnx.checker.check_model(path, full_check=True)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

        def computed(batch: torch.Tensor) -> torch.Tensor:
            (logits,) = session.run(["logits"], {"image": batch.numpy()})
            return torch.from_numpy(np.asarray(logits))

        return computed


def _graph(network: torch.nn.Module, example: torch.Tensor) -> onnx.ModelProto:
    """Return the network as ONNX; its input is "image", its output "logits"."""
    with _quiet():
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            input_names=["image"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    assert program is not None, "the exporter on torch.export returns the program"
    proto: onnx.ModelProto = program.model_proto
    return proto


def _fits(graph: onnx.ModelProto, state: dict[str, Any]) -> bool:
    """Return whether the graph has every tensor of the network as it is, so that those of other folds replace them."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.graph.initializer}
    return all(shapes.get(name) == array.shape for name, array in state.items())


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out the exporter's remarks on packages that are not needed, and what it prints of its progress."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
