"""The job to train one fold: its plans, its cases and its run folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnplug.dataset.dataset import Dataset
from nnplug.dataset.description import DatasetDescription
from nnplug.plans.plans import Choice, Plans
from nnplug.remedies import Action, Remedy
from nnplug.workspace.case_store import CaseStore
from nnplug.workspace.layout import RunFolder, Workspace
from nnplug.workspace.previous_labels import PreviousLabels


@dataclass(frozen=True)
class TrainingJob:
    """The job to train one fold.

    Attributes:
        workspace: the workspace of the preprocessed cases and runs.
        dataset: the raw dataset.
        plans: all decisions, with the options of the trainer.
        configuration: the name of the configuration.
        fold: a number, or "all".
        seed: the seed that every random draw derives from.
        command: the words of the user's command line, for the record.
        pretrained: a run or bundle; the training starts from its weights, except for the segmentation heads.
        prepared: the configuration that the preprocessed cases are stored under. It is needed for the plans of a run,
            which do not have all configurations with the same cases; None if the plans decide it.
        trackers: the trackers that the training is sent to. No result depends on them.
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
    trackers: tuple[Choice, ...] = ()

    @property
    def description(self) -> DatasetDescription:
        """The content of `dataset.json`."""
        return self.dataset.description

    @property
    def training_description(self) -> DatasetDescription:
        """The content of `dataset.json` with the labels that the network learns: regions, or classes instead."""
        return self.plans.training_description(self.description)

    @property
    def run(self) -> RunFolder:
        """The run folder of the fold."""
        return self.workspace.run(self.plans.name, self.configuration, self.fold)

    @property
    def title(self) -> str:
        """The name of the job in messages."""
        return f"{self.configuration} fold {self.fold}"

    @property
    def cases(self) -> CaseStore:
        """The preprocessed cases; in a cascade with the label maps of the previous stage."""
        refining = self.plans.configuration(self.configuration).previous_stage is not None
        return CaseStore(self.prepared_folder, previous=self.previous_labels if refining else None)

    @property
    def prepared_folder(self) -> Path:
        """The folder of the preprocessed cases."""
        return self.workspace.preprocessed(self.plans.name, self.store_name)

    @property
    def preprocess_first(self) -> Remedy:
        """The remedy for cases that are not preprocessed."""
        return Action.PREPROCESS(
            dataset=self.dataset.folder,
            workspace=self.workspace.root,
            plans=self.plans.name,
            configuration=self.configuration,
        )

    @property
    def store_name(self) -> str:
        """The configuration that the preprocessed cases are stored under; another one may have the same cases."""
        return self.prepared or self.plans.store_name(self.configuration)

    @property
    def previous_labels(self) -> PreviousLabels:
        """The label maps that the previous stage of a cascade predicted for this configuration."""
        return PreviousLabels(self.workspace.previous(self.plans.name, self.configuration))

    @property
    def run_plans(self) -> Plans:
        """The plans with only this configuration and its previous stages; the run depends on no others."""
        return self.plans.only(self.configuration)
