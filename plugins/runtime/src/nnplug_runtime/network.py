"""The networks of a stage in onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from nnplug_runtime.faults import Fault
from nnplug_runtime.model import Stage

Array = npt.NDArray[np.float32]


class FoldNetwork:
    """The network of a fold. In a cascade it expands the last channel of its input, a label map, to one-hot."""

    def __init__(self, path: Path, stage: Stage, session: onnxruntime.SessionOptions) -> None:
        """Open the file.

        Raises:
            Fault: onnxruntime cannot open it, or it has another input than `model.json` tells.
        """
        self._path, self._labels = path, stage.previous_labels
        try:
            self._session = onnxruntime.InferenceSession(path, session, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise Fault(f"{path}: onnxruntime cannot open it ({_first(error)}); export the model again") from error
        (given,) = self._session.get_inputs()
        expected = [stage.inputs, *stage.windows.patch_size]
        if list(given.shape[1:]) != expected:
            raise Fault(f"{path}: takes (batch, {', '.join(map(str, given.shape[1:]))}), model.json has {expected}")

    def __call__(self, batch: Array) -> Array:
        """Return the logits (B, K, *patch) of windows (B, C, *patch).

        Raises:
            Fault: onnxruntime fails, such as without memory, or a logit is not finite.
        """
        if self._labels:
            last = [(batch[:, -1] == value).astype(np.float32) for value in self._labels]
            batch = np.concatenate([batch[:, :-1], np.stack(last, 1)], 1)
        try:
            (given,) = self._session.run(["logits"], {"image": batch})
        except Exception as error:
            raise Fault(f"{self._path}: onnxruntime failed ({_first(error)})") from error
        logits: Array = np.asarray(given, np.float32)
        if not np.isfinite(logits.sum(dtype=np.float64)):
            raise Fault(f"{self._path}: the network gave values that are not finite")
        return logits


def fold_networks(stage: Stage, folder: Path, threads: int) -> Sequence[FoldNetwork]:
    """Return the networks of all folds of a stage.

    Args:
        stage: the stage.
        folder: the folder of the export.
        threads: the number of threads of each operation.
    """
    session: Any = onnxruntime.SessionOptions()
    session.intra_op_num_threads = threads
    session.inter_op_num_threads = 1
    session.log_severity_level = 3
    if len(stage.folds) > 1:  # else each session keeps the memory of its feature maps
        session.enable_cpu_mem_arena = False
    return [FoldNetwork(folder / fold.file, stage, session) for fold in stage.folds]


def _first(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
