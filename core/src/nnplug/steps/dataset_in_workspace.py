"""The dataset and the workspace of a step, found by the words that a user gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from nnplug.dataset.dataset import Dataset
from nnplug.errors import NnplugError
from nnplug.io.readers import Readers
from nnplug.plans.plans import Plans, read_plans
from nnplug.registry.components import Registry
from nnplug.remedies import Action
from nnplug.steps.default_plans import default_plans_name
from nnplug.workspace.layout import Workspace


@dataclass(frozen=True)
class DatasetInWorkspace:
    """The dataset of a step, and the workspace of its results.

    Attributes:
        dataset: the opened dataset.
        workspace: the dataset's folder in the workspace.
    """

    dataset: Dataset
    workspace: Workspace

    @classmethod
    def open(cls, folder: Path, root: Path, readers: Readers) -> Self:
        """Open a dataset for work in a workspace.

        Args:
            folder: the folder of the dataset.
            root: the folder of all results.
            readers: the readers of image files.

        Raises:
            InvalidFile: `dataset.json` is missing or has faults, a line each.
        """
        dataset = Dataset.open(folder, readers)
        return cls(dataset, Workspace(root, dataset.name))

    def plans(self, name: str | None, registry: Registry) -> Plans:
        """Return the plans of this name, by default those of the default recipe.

        Raises:
            NnplugError: there are no such plans, or no name is given and there is no default.
            InvalidFile: the plans are damaged.
        """
        chosen = name or default_plans_name(registry, self.workspace)
        path = self.workspace.plans(chosen)
        if not path.exists():
            remedy = Action.PLAN_FIRST(dataset=self.dataset.folder, workspace=self.workspace.root, plans=chosen)
            raise NnplugError(f"{path}: no such plans", remedy)
        return read_plans(path)
