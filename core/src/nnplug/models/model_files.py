"""The files of models. No command may overwrite them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nnplug.errors import NnplugError
from nnplug.models.bundle_files import refuse_inside_bundle
from nnplug.remedies import Action


def model_inputs(models: Sequence[Path]) -> tuple[Path, ...]:
    """Return the files of models: zip files, and files in the folders of bundles, runs, folds and nnU-Net's models."""
    return tuple(
        file
        for model in models
        for file in (model, *model.glob("*"), *model.glob("fold_*/*"), *model.glob("previous/**/*"))
        if file.is_file()
    )


def refuse_model(output: Path) -> None:
    """Raise if an output folder is a model's, because predictions would replace its plans and `dataset.json`.

    Raises:
        NnplugError: it is a run, a configuration's folder of runs (nnplug's or nnU-Net's), or part of a bundle.
    """
    signs: Mapping[str, str] = {
        "run.json": "is the folder of a training",
        "fold_*/run.json": "holds the trainings of a configuration",
        "fold_*/checkpoint_*.pth": "holds a model of nnU-Net v2",
    }
    for pattern, what in signs.items():
        if any(output.glob(pattern)):
            raise NnplugError(f"{output}: {what}, which predictions must not change", Action.OTHER_OUTPUT())
    refuse_inside_bundle(output)
