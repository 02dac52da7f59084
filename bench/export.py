"""Export of a large prediction: `.venv/bin/python bench/export.py [--classes 60] [--logits 171] [--image 256]`.

Measures wall time and the memory that exporting takes on top of the logits, each export in a process of its own. The
noise of the logits is the worst case: no two voxels agree.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time

import torch

from nnplug.ops.export import label_map


def peak_bytes() -> int:
    """The most memory that this process has held; macOS counts bytes, Linux KiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, default=60)
    parser.add_argument("--logits", type=int, default=171, help="voxels per axis of the logits")
    parser.add_argument("--image", type=int, default=256, help="voxels per axis of the label map")
    arguments = parser.parse_args()
    small, large = (arguments.logits,) * 3, (arguments.image,) * 3
    label_map(torch.randn(2, 8, 8, 8), (16, 16, 16))  # what the first call loads is not the export's
    logits = torch.empty(arguments.classes, *small).normal_()
    before, start = peak_bytes(), time.perf_counter()
    labels = label_map(logits, large)
    seconds, extra = time.perf_counter() - start, peak_bytes() - before
    whole = 4 * arguments.classes * labels.size
    print(f"{arguments.classes} classes, {small} -> {large}, {torch.get_num_threads()} threads")
    print(f"wall time                                  {seconds:8.1f} s")
    print(f"logits (given)                             {logits.nbytes / 1e9:8.3f} GB")
    print(f"memory on top, the label map included      {extra / 1e9:8.3f} GB")
    print(f"all full-resolution float32 probabilities  {whole / 1e9:8.3f} GB")


if __name__ == "__main__":
    main()
