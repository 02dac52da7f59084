"""The files of models, which no command may overwrite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nnplug.errors import NnplugError
from nnplug.models.bundle_files import refuse_inside_bundle
from nnplug.remedies import Action


def model_inputs(models: Sequence[Path]) -> tuple[Path, ...]:
    """Return the files of models: zips, and what lies in the folders of bundles, runs, their folds and nnU-Net's."""
    return tuple(
        file
        for model in models
        for file in (model, *model.glob("*"), *model.glob("fold_*/*"), *model.glob("previous/**/*"))
        if file.is_file()
    )


def refuse_model(output: Path) -> None:
    """Refuse to predict into the folder of a model: its plans and `dataset.json` would be replaced.

    Raises:
        NnplugError: it is a run, the folder of a configuration's runs (nnplug's or nnU-Net's), or part of a bundle.
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
