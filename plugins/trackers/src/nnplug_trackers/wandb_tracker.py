"""The tracker `wandb`: a run of Weights & Biases, on its server or in files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nnplug.contracts import LogLine, TrackedRun, Tracker, epoch_figures
from nnplug_trackers.libraries import require_library

if TYPE_CHECKING:
    import wandb

Mode = Literal["online", "offline", "disabled"]

PROJECT, FOLDER = "WANDB_PROJECT", "WANDB_DIR"
_SECONDS = 30.0  # the wait of W&B for its server, after which the tracker fails
_WRITING_SECONDS = 5.0


@dataclass
class WandbTracker(Tracker):
    """Record parameters as config, figures (the step is the epoch), and pictures and the model's path in the summary.

    Attributes:
        project: the project; None for the variable WANDB_PROJECT, or "nnplug" without it.
        entity: the user or team; None for the variable WANDB_ENTITY, or the default of the account.
        mode: "offline" writes files that `wandb sync` sends; None for the variable WANDB_MODE, or "online" without it.
        folder: the folder of the files; None for the variable WANDB_DIR, or the run's own folder without it.
    """

    project: str | None = None
    entity: str | None = None
    mode: Mode | None = None
    folder: Path | None = None

    def __post_init__(self) -> None:
        """Check that W&B is installed.

        Raises:
            NnplugError: it is not.
        """
        require_library("wandb", "wandb")
        self._classes: tuple[str, ...] = ()
        self._epochs = 0
        self._place = Path()
        self._run: wandb.Run | None = None

    def begin(self, run: TrackedRun) -> int:
        """Begin or resume the run with the id of the training, and return the number of epochs that it has."""
        from nnplug_trackers.wandb_files import count_epochs

        self._place = self.folder or Path(os.environ.get(FOLDER) or run.folder)
        self._place.mkdir(parents=True, exist_ok=True)
        offline = count_epochs(self._place, run.id)
        self._classes = run.classes
        self._run = self._begin(run)
        self._run.config.update(dict(run.parameters), allow_val_change=True)
        self._epochs = run.sent if self._run.disabled else offline if self._run.offline else self._run.step
        return self._epochs

    def log_epoch(self, line: LogLine) -> None:
        """Record the figures of an epoch."""
        self._begun.log(epoch_figures(line, self._classes), step=line.epoch, commit=True)
        self._epochs = line.epoch + 1

    def log_picture(self, name: str, path: Path) -> None:
        """Put a picture into the summary, which belongs to no epoch."""
        import wandb

        self._begun.summary[name] = wandb.Image(str(path))

    def log_model(self, folder: Path) -> None:
        """Put the path of the run's folder into the summary."""
        self._begun.summary["model"] = str(folder.absolute())

    def end(self, *, finished: bool) -> None:
        """Write or send the rest."""
        from nnplug_trackers.wandb_files import wait_for_epochs

        run = self._begun
        run.finish(exit_code=0 if finished else 1)
        if run.offline and not run.disabled:
            wait_for_epochs(self._place, run.id, self._epochs, seconds=_WRITING_SECONDS)

    @property
    def _begun(self) -> wandb.Run:
        if self._run is None:
            raise RuntimeError("begin comes first")
        return self._run

    def _begin(self, run: TrackedRun) -> wandb.Run:
        import wandb
        from wandb.env import SERVICE

        is_shared = SERVICE in os.environ
        begun = wandb.init(
            project=self.project or os.environ.get(PROJECT) or "nnplug",
            entity=self.entity,
            mode=self.mode,
            dir=str(self._place),
            id=run.id,
            name=run.name,
            group=run.name.rpartition("/")[0],
            resume="allow",
            settings=_settings(),
        )
        if not is_shared:
            os.environ.pop(SERVICE, None)  # by which processes that this one starts would share its W&B
        return begun


def _settings() -> wandb.Settings:
    """Return settings by which W&B leaves the output of the command and other runs of the process as they are."""
    import wandb

    return wandb.Settings(
        console="off",
        silent=True,
        disable_git=True,
        save_code=False,
        reinit="create_new",
        init_timeout=_SECONDS,
    )
