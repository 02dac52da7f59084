"""One fold to train: its plans, its cases and the folder that it is trained into."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnplug.dataset.dataset import Dataset, DatasetDescription
from nnplug.plans.plans import Plans
from nnplug.workspace.case_store import CaseStore
from nnplug.workspace.layout import RunFolder, Workspace
from nnplug.workspace.previous_labels import PreviousLabels


@dataclass(frozen=True)
class TrainingJob:
    """One fold to train.

    Attributes:
        workspace: where the dataset's preprocessed cases and runs live.
        dataset: the raw dataset.
        plans: every decision, including the trainer's options.
        configuration: its name in the plans.
        fold: a number, or "all".
        seed: of every random draw.
        command: what the user typed, for the record.
        pretrained: a run or bundle whose weights the training begins with, but for the segmentation heads.
        prepared: the configuration whose preprocessed cases are taken, where the plans are those of a run, which do not
            hold all that share them; None where the plans say it.
    """

    workspace: Workspace
    dataset: Dataset
    plans: Plans
    configuration: str
    fold: int | str
    seed: int = 0
    command: tuple[str, ...] = ()
    pretrained: Path | None = None
    prepared: str | None = None

    @property
    def description(self) -> DatasetDescription:
        """`dataset.json`."""
        return self.dataset.description

    @property
    def training_description(self) -> DatasetDescription:
        """`dataset.json` as the plans have it learnt: with regions, or with the classes in them."""
        return self.plans.training_description(self.description)

    @property
    def run(self) -> RunFolder:
        """The folder that the fold is trained into."""
        return self.workspace.run(self.plans.name, self.configuration, self.fold)

    @property
    def title(self) -> str:
        """The name of the job in messages."""
        return f"{self.configuration} fold {self.fold}"

    @property
    def cases(self) -> CaseStore:
        """The preprocessed cases, in a cascade with what the previous stage predicted for them."""
        refining = self.plans.configuration(self.configuration).previous_stage is not None
        return CaseStore(self.prepared_folder, previous=self.previous_labels if refining else None)

    @property
    def prepared_folder(self) -> Path:
        """The folder of the preprocessed cases."""
        return self.workspace.preprocessed(self.plans.name, self.store_name)

    @property
    def store_name(self) -> str:
        """The configuration that they were prepared for, which may be another one with the same cases."""
        return self.prepared or self.plans.store_name(self.configuration)

    @property
    def previous_labels(self) -> PreviousLabels:
        """The label maps that the previous stage of a cascade predicted for this configuration."""
        return PreviousLabels(self.workspace.previous(self.plans.name, self.configuration))

    @property
    def run_plans(self) -> Plans:
        """The plans with this configuration and those that lead to it: what the run is a function of."""
        return self.plans.only(self.configuration)
