"""The folder layout of a workspace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run: the training of one fold of a configuration."""

    path: Path

    @property
    def record(self) -> Path:
        """The file of the run record: choices, versions, seed, command and the hash of the plans."""
        return self.path / "run.json"

    @property
    def plans(self) -> Path:
        """The copy of the plans at the start of the run."""
        return self.path / "plans.json"

    @property
    def description(self) -> Path:
        """The copy of `dataset.json`."""
        return self.path / "dataset.json"

    @property
    def log(self) -> Path:
        """The log, with one JSON line per epoch."""
        return self.path / "log.jsonl"

    @property
    def final_weights(self) -> Path:
        """The weights after the last epoch."""
        return self.path / "weights_final.safetensors"

    @property
    def best_weights(self) -> Path:
        """The weights at the best smoothed validation Dice."""
        return self.path / "weights_best.safetensors"

    @property
    def state(self) -> Path:
        """The state from which training resumes after a kill; removed when training is finished."""
        return self.path / "state.pt"

    @property
    def final_state(self) -> Path:
        """The state that a longer training continues from: the averages of the optimiser, in bfloat16."""
        return self.path / "state_final.pt"

    @property
    def is_finished(self) -> bool:
        """Return whether the training is finished and has not been continued since."""
        return self.final_weights.exists() and not self.state.exists()

    @property
    def validation(self) -> Path:
        """The folder of `summary.json` and the predictions of the fold's validation cases."""
        return self.path / "validation"

    def validation_with(self, weights: str) -> Path:
        """Return the folder `validation`, or `validation_best` for the predictions with the best weights."""
        return self.validation if weights == "final" else self.path / f"validation_{weights}"

    @property
    def lock(self) -> Path:
        """The lock of the process that writes the run. It is outside the folder, so that a run can be moved whole."""
        return self.path.with_name(f".{self.path.name}.lock")

    def tracker(self, name: str) -> Path:
        """Return the record of what a tracker was sent, see `nnplug.training.trackers`."""
        return self.path / f"tracker_{name}.json"

    @property
    def curves(self) -> Path:
        """The picture of losses, Dice, learning rate and epoch time."""
        return self.path / "progress.png"


def run_folders(configuration: Path) -> list[RunFolder]:
    """Return the runs in a configuration's folder that have a record: fold_0, fold_1 .. by number, fold_all last."""
    runs = [RunFolder(path) for path in sorted(configuration.glob("fold_*"), key=_fold_order)]
    return [run for run in runs if run.record.is_file()]


def _fold_order(folder: Path) -> tuple[int, str]:
    number = folder.name.removeprefix("fold_")
    return (int(number), "") if number.isdecimal() else (1 << 31, number)


@dataclass(frozen=True)
class Workspace:
    """The folder of one dataset inside a workspace: `ROOT/DATASET/`."""

    root: Path
    dataset: str

    @property
    def folder(self) -> Path:
        """The folder of all results for the dataset."""
        return self.root / self.dataset

    @property
    def fingerprint(self) -> Path:
        """The file of the fingerprint."""
        return self.folder / "fingerprint.json"

    @property
    def splits(self) -> Path:
        """The file of the training and validation cases of each fold."""
        return self.folder / "splits.json"

    @property
    def sources(self) -> Path:
        """The record of the files that were verified and measured: step -> digest of their names, sizes and times."""
        return self.folder / "sources.json"

    def plans(self, name: str) -> Path:
        """Return the path of plans."""
        return self.folder / "plans" / f"{name}.json"

    def start(self, plans: str) -> Path:
        """Return the path of the start that belongs to plans, see `nnplug.models.start`."""
        return self.folder / "plans" / f"{plans}-start.zip"

    def preprocessed(self, plans: str, configuration: str) -> Path:
        """Return the folder of a configuration's case store."""
        return self.folder / "preprocessed" / f"{plans}_{configuration}"

    def previous(self, plans: str, configuration: str) -> Path:
        """Return the folder of the label maps that the previous stage predicted for a configuration."""
        return self.folder / "preprocessed" / f"{plans}_{configuration}_previous"

    def runs(self, plans: str) -> Path:
        """Return the folder of all runs of the plans; it has one folder per configuration."""
        return self.folder / "runs" / plans

    def run(self, plans: str, configuration: str, fold: int | str) -> RunFolder:
        """Return the folder of a run; `fold` is a number or "all"."""
        return RunFolder(self.runs(plans) / configuration / f"fold_{fold}")

    @property
    def crossval(self) -> Path:
        """The folder of the validation predictions of all folds."""
        return self.folder / "crossval"

    @property
    def models(self) -> Path:
        """The folder of the bundles that `run` and `select` make."""
        return self.folder / "model"
