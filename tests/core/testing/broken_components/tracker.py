"""A sound tracker, and trackers that break one promise each."""

from __future__ import annotations

import signal

import numpy as np


class Sound:
    """Keeps what it gets in a file per training, beside the run's folder."""

    def begin(self, run):
        self.run = run
        self.file = run.folder.with_name(f"{run.folder.name}-{self.key(run)}.txt")
        return len(self.file.read_text().splitlines()) if self.file.exists() else 0

    def key(self, run):
        return run.id

    def log_epoch(self, line):
        with self.file.open("a") as table:
            table.write(f"{line.epoch} {line.train_loss}\n")

    def log_picture(self, name, path):
        assert path.exists()

    def log_model(self, folder):
        assert folder.exists()

    def end(self, *, finished):
        pass


class Forgets(Sound):
    def begin(self, run):
        super().begin(run)
        return 0


class Mixes(Sound):
    """Tells trainings apart by their names, which a training from the start has again."""

    def key(self, run):
        return "name"


class PacksModel(Sound):
    def log_model(self, folder):
        (folder / "weights_final.safetensors").write_bytes(b"compressed")


class NeedsDice(Sound):
    def log_epoch(self, line):
        super().log_epoch(line)
        self.best = max(line.dice)


class NeedsLoss(Sound):
    def log_epoch(self, line):
        super().log_epoch(line)
        self.best = min(line.val_loss, line.train_loss)


class Shuffles(Sound):
    def log_epoch(self, line):
        super().log_epoch(line)
        self.colour = np.random.rand()


class CatchesSignals(Sound):
    """Sets a signal's handler, which only the main thread may do."""

    def begin(self, run):
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
        return super().begin(run)


class NoneAtFirst(Sound):
    def begin(self, run):
        return super().begin(run) or None
