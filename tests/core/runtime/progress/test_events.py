"""Progress that goes through events."""

from __future__ import annotations

import json
from contextlib import contextmanager

from nnplug.runtime.progress import Silent
from nnplug.runtime.progress.events import Receiver, Sender


class Heard(Silent):
    def __init__(self):
        self.lines = []

    @contextmanager
    def task(self, title, total, *, done=0):
        self.lines.append(f"begin {title} {done}/{total}")
        yield self.lines.append
        self.lines.append(f"end {title}")

    def notice(self, message):
        self.lines.append(f"notice {message}")

    def warning(self, message):
        self.lines.append(f"warning {message}")


def relayed():
    """A sender whose events go through JSON to what is heard, a clock to set, and the events."""
    heard, events, now = Heard(), [], [0.0]
    receiver = Receiver(heard)

    def send(event):
        events.append(event[0])
        receiver.receive("job", json.loads(json.dumps(event)))

    return Sender(send, lambda: now[0]), receiver, heard.lines, events, now


def test_what_is_told_arrives_in_order():
    sender, _, lines, _, _ = relayed()
    with sender.task("train", 3, done=1) as advance:
        advance("one")
        sender.notice("half")
        advance("two")
    sender.warning("careful")
    assert lines == ["begin train 1/3", "notice half", "two", "two", "end train", "warning careful"]


def test_fast_steps_share_an_event_and_none_is_lost():
    sender, _, lines, events, now = relayed()
    with sender.task("train", 100) as advance:
        for step in range(100):
            now[0] += 0.01
            advance(str(step))
    assert len(lines) == 102
    assert events.count("advance") <= 3


def test_a_job_that_begins_again_ends_its_old_tasks():
    _, receiver, lines, _, _ = relayed()
    for _ in range(2):
        receiver.receive("job", ("begin", 0, "train", 5, 0))
    receiver.receive("job", ("advance", 7, 1, "of a task that never began"))
    receiver.close()
    assert lines == ["begin train 0/5", "end train", "begin train 0/5", "end train"]
