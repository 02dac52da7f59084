"""Refuse files that do not belong into the repository: images of patients, weights, and what is larger than 1 MB."""

from __future__ import annotations

import sys
from pathlib import Path

LARGEST = 1_000_000  # bytes
DATA = (".nii", ".nii.gz", ".dcm", ".mha", ".mhd", ".nrrd", ".pth", ".pt", ".safetensors", ".onnx", ".b2nd")
# Golden files are made by scripts; the slice viewer of nnplug-report is one file of 2 MB, with its licence beside it.
ALLOWED = ("/golden/", "plugins/report/src/nnplug_report/static/")


def problem(file: Path) -> str | None:
    """Return why a file is refused, as one line, or None."""
    if any(place in file.as_posix() for place in ALLOWED):
        return None
    if file.name.lower().endswith(DATA):
        return f"{file}: images and weights are made by tests or read from outside the repository"
    if file.stat().st_size > LARGEST:
        return f"{file}: {file.stat().st_size / 1e6:.1f} MB; expected at most {LARGEST / 1e6:.0f} MB"
    return None


if __name__ == "__main__":
    problems = [line for name in sys.argv[1:] if Path(name).is_file() and (line := problem(Path(name)))]
    sys.exit("\n".join(problems) or 0)
