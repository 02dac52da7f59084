"""nnU-Net's three folders as a workspace of nnplug; this module alone defines the paths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnplug.workspace.layout import RunFolder, Workspace

TRAINER, PLANS = "nnUNetTrainer", "nnUNetPlans"
GROUND_TRUTH = "gt_segmentations"


@dataclass(frozen=True)
class NnunetRun(RunFolder):
    """A fold in nnUNet_results."""

    def validation_with(self, weights: str) -> Path:  # noqa: ARG002
        """Return `validation` for any weights, as in nnU-Net."""
        return self.validation


@dataclass(frozen=True)
class NnunetWorkspace(Workspace):
    """The workspace of a dataset in nnUNet_preprocessed.

    Attributes:
        results: nnUNet_results; only `run`, `crossval` and `model_folder` need it.
        trainer: the trainer's name on the command line, a part of the names of result folders.
    """

    results: Path | None = None
    trainer: str = TRAINER

    @property
    def fingerprint(self) -> Path:
        """The fingerprint, with nnU-Net's file name and keys."""
        return self.folder / "dataset_fingerprint.json"

    @property
    def splits(self) -> Path:
        """The splits, with nnU-Net's file name and layout."""
        return self.folder / "splits_final.json"

    @property
    def description(self) -> Path:
        """A copy of the `dataset.json`, because training reads no raw data."""
        return self.folder / "dataset.json"

    @property
    def ground_truth(self) -> Path:
        """The folder of copies of the reference label maps, CASE with the file ending."""
        return self.folder / GROUND_TRUTH

    def plans(self, name: str) -> Path:
        """Return a plans file in nnU-Net's layout, which users edit and nnU-Net reads."""
        return self.folder / f"{name}.json"

    def preprocessed(self, plans: str, configuration: str) -> Path:
        """Return the folder of the case store of a configuration."""
        return self.folder / f"{plans}_{configuration}"

    def previous(self, plans: str, configuration: str) -> Path:
        """Return the folder of the previous stage's label maps for a configuration."""
        return self.folder / f"{plans}_{configuration}_previous"

    def run(self, plans: str, configuration: str, fold: int | str) -> RunFolder:
        """Return a run's folder; `fold` is a number or "all"."""
        return NnunetRun(self.model_folder(plans, configuration) / f"fold_{fold}")

    @property
    def crossval(self) -> Path:
        """The folder for the comparison of configurations, beside the models."""
        assert self.results is not None, "whoever asks for runs gives the results folder"
        return self.results / self.dataset / f"crossval_{self.trainer}"

    def model_folder(self, plans: str, configuration: str) -> Path:
        """Return the folder of all folds of a training."""
        assert self.results is not None, "whoever asks for runs gives the results folder"
        return model_folder(self.results, self.dataset, self.trainer, plans, configuration)


def model_folder(results: Path, dataset: str, trainer: str, plans: str, configuration: str) -> Path:
    """Return the folder of the folds of a training, in nnU-Net's layout."""
    return results / dataset / f"{trainer}__{plans}__{configuration}"
