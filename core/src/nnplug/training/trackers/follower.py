"""Send the log of a training to one tracker, in a thread.

The queue between training and tracker is `log.jsonl` itself. So the training only sets a flag, memory holds one line, a
slow tracker misses no epoch, and a later start sends the rest.
"""

from __future__ import annotations

import threading

from nnplug.contracts import TrackedRun, Tracker, read_log
from nnplug.errors import NnplugError
from nnplug.registry.attribution import attributed, broken, expect, name_of
from nnplug.runtime.records import Record
from nnplug.workspace.layout import RunFolder


class Sent(Record, frozen=True, kw_only=True):
    """The content of `tracker_NAME.json`: the part of a training that a tracker has received.

    Attributes:
        epochs: the number of epochs.
        model_epochs: the number of epochs of the training whose model was sent; None if no model was sent.
    """

    epochs: int = 0
    model_epochs: int | None = None


class Follower:
    """A thread that sends a training to one tracker, from the first epoch that the tracker lacks."""

    def __init__(self, tracker: Tracker, run: TrackedRun, name: str) -> None:
        """Start the thread.

        Args:
            tracker: the tracker.
            run: the training.
            name: the tracker's name.
        """
        self.title = name_of(tracker)
        self._tracker, self._run = tracker, run
        self._folder = RunFolder(run.folder)
        self._record = self._folder.tracker(name)
        self._wake, self._stopped = threading.Event(), threading.Event()
        self._is_finished = False
        self._fault: str | None = None
        self._thread = threading.Thread(target=self._work, name=f"tracker {name}", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Make the thread look for new epochs; return at once."""
        self._wake.set()

    def take_fault(self) -> str | None:
        """Return the line that describes why the tracker failed, at the first call after it failed; else None."""
        fault, self._fault = self._fault, None
        return fault

    def stop(self, *, finished: bool) -> None:
        """Make the thread send what is left, and end; return at once.

        Args:
            finished: whether the training is finished, so that its pictures and its model are sent too.
        """
        self._is_finished = finished
        self._stopped.set()
        self._wake.set()

    def join(self, seconds: float) -> bool:
        """Wait for the end of the thread, at most for some seconds; return whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            with attributed(self._tracker):
                self._send()
        except NnplugError as error:
            self._fault = error.lines[0]
        except BaseException as error:  # noqa: BLE001 - no fault of a tracker may end the process
            self._fault = f"{self.title} failed: {type(error).__name__}: {' '.join(str(error).split())}"

    def _send(self) -> None:
        sent = self._begin()
        while True:
            stopped = self._stopped.is_set()  # before the log is read, so that its last lines are read too
            for line in read_log(self._folder.log, first=sent):
                self._tracker.log_epoch(line)
                sent += 1
                Sent(epochs=sent).write(self._record)
            if stopped:
                break
            self._wake.wait()
            self._wake.clear()
        if self._is_finished:
            if self._folder.curves.exists():
                self._tracker.log_picture(self._folder.curves.stem, self._folder.curves)
            self._tracker.log_model(self._run.folder)
        self._tracker.end(finished=self._is_finished)
        if self._is_finished:
            Sent(epochs=sent, model_epochs=sent).write(self._record)

    def _begin(self) -> int:
        sent = expect(self._tracker, self._tracker.begin(self._run), int)
        if sent < 0:
            raise broken(self._tracker, f"gave {sent} epochs from begin; expected a number from 0 on")
        return sent
