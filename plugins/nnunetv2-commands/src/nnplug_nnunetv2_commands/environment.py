"""nnU-Net's environment variables, read at the start of a command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nnplug.errors import NnplugError

RAW, PREPROCESSED, RESULTS = "nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"
HOLDS = {
    RAW: "the datasets, folders such as Dataset004_Hippocampus",
    PREPROCESSED: "fingerprints, plans, splits and prepared cases",
    RESULTS: "trained models",
}
WORKERS, LOADERS = "nnUNet_def_n_proc", "nnUNet_n_proc_DA"
WANDB, WANDB_PROJECT, WANDB_MODE = "nnUNet_wandb_enabled", "nnUNet_wandb_project", "nnUNet_wandb_mode"
FOREIGN_CODE = "nnUNet_extTrainer"


@dataclass(frozen=True)
class Environment:
    """The variables at the start of the command."""

    variables: Mapping[str, str]

    def folder(self, variable: str) -> Path:
        """Return the folder that a variable names.

        Raises:
            NnplugError: the variable is not set; the message gives its purpose and the command that sets it.
        """
        value = self.variables.get(variable)
        if not value:
            raise NnplugError(
                f"{variable} is not set; it names the folder of {HOLDS[variable]}. Run: export {variable}=/PATH"
            )
        return Path(value)

    def dataset(self, reference: str) -> str:
        """Return the name of the dataset with this number ("4") or name ("Dataset004_Hippocampus"), in any folder.

        Raises:
            NnplugError: there is none, or several have this number; the message lists the datasets.
        """
        roots = [Path(self.variables[name]) for name in HOLDS if self.variables.get(name)]
        if not roots:
            self.folder(RAW)
        there = sorted({f.name for root in roots for f in root.glob("Dataset[0-9][0-9][0-9]_*") if f.is_dir()})
        number = f"Dataset{int(reference):03d}_" if reference.isdecimal() else None
        found = [name for name in there if name == reference or (number is not None and name.startswith(number))]
        if len(found) != 1:
            what = f"{', '.join(found)} have that number; give the name" if found else "no such dataset"
            raise NnplugError(f"{reference}: {what}. {', '.join(map(str, roots))} hold {', '.join(there) or 'none'}.")
        return found[0]

    @property
    def workers(self) -> int | None:
        """The number of cases that are processed at once; None for one per core."""
        return self._count(WORKERS, least=1)

    @property
    def loaders(self) -> int | None:
        """The number of threads that augment patches, at least 1 (nnU-Net's 0 means 1); None for one per core."""
        count = self._count(LOADERS, least=0)
        return None if count is None else max(count, 1)

    @property
    def wandb(self) -> dict[str, str] | None:
        """The options of the tracker `wandb`, with nnU-Net's defaults; None if the variables do not ask for it.

        Raises:
            NnplugError: nnUNet_wandb_enabled has a value that nnU-Net does not know.
        """
        enabled = self.variables.get(WANDB) or "0"
        if enabled in ("0", "False", "false"):
            return None
        if enabled not in ("1", "True", "true"):
            raise NnplugError(f"{WANDB} is {enabled!r}; expected 0 or 1")
        project, mode = self.variables.get(WANDB_PROJECT), self.variables.get(WANDB_MODE)
        return {"project": project or "nnunet", "mode": mode or "online"}

    def refuse_foreign_code(self) -> None:
        """Raise if nnU-Net would import trainers from folders.

        Raises:
            NnplugError: nnUNet_extTrainer is set.
        """
        if value := self.variables.get(FOREIGN_CODE):
            raise NnplugError(
                f"{FOREIGN_CODE} is set ({value}), but nnplug imports no code from folders. Make your trainer a plugin "
                f"(nnplug plugins new NAME), name it with -tr, and run: unset {FOREIGN_CODE}"
            )

    def _count(self, variable: str, *, least: int) -> int | None:
        value = self.variables.get(variable)
        if not value:
            return None
        if not value.isdecimal() or int(value) < least:
            raise NnplugError(f"{variable} is {value!r}; expected a whole number from {least}")
        return int(value)
