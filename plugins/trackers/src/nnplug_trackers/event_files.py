"""Write and read TensorBoard's event files. An epoch is one record, so that a kill leaves all of it or nothing."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

EPOCH_TAG = "learning_rate"
"""The tag of a figure that every epoch has."""

_HEADER = struct.Struct("<QI")  # the length of a record and its checksum; the record and its checksum follow


class EventFile:
    """A new event file of a training.

    Its name is `events.out.tfevents.SECONDS.ID.NUMBER`. TensorBoard reads the files of a folder in the order of their
    names. The number tells apart files that were begun in one second.
    """

    def __init__(self, folder: Path, run_id: str) -> None:
        """Create the file.

        Args:
            folder: the folder of the event files; it is made.
            run_id: the id of the training.
        """
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.record_writer import RecordWriter

        folder.mkdir(parents=True, exist_ok=True)
        number = len(event_files(folder, run_id))
        self._writer = RecordWriter(str(folder / f"events.out.tfevents.{time.time():.0f}.{run_id}.{number:04d}"))
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def add(self, summary: Any, step: int = 0) -> None:
        """Append a summary as one record, and return when it is on the disk."""
        from tensorboardX.proto.event_pb2 import Event

        self._write(Event(wall_time=time.time(), step=step, summary=summary))

    def add_scalars(self, figures: Mapping[str, float], step: int) -> None:
        """Append the figures of an epoch as one record."""
        from tensorboardX.proto.summary_pb2 import Summary

        self.add(Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in figures.items()]), step)

    def close(self) -> None:
        """Close the file."""
        self._writer.close()

    def _write(self, event: Any) -> None:
        self._writer.write(event.SerializeToString())
        self._writer.flush()


def event_files(folder: Path, run_id: str) -> list[Path]:
    """Return the event files of a training, in the order in which they were written."""
    return sorted(folder.glob(f"events.out.tfevents.*.{run_id}.*"))


def count_epochs(folder: Path, run_id: str) -> int:
    """Return the number of epochs in the event files of a training."""
    steps = [
        event.step
        for file in event_files(folder, run_id)
        for event in read_events(file)
        if any(value.tag == EPOCH_TAG for value in event.summary.value)
    ]
    return max(steps, default=-1) + 1


def read_events(file: Path) -> Iterator[Any]:
    """Yield the events of a file, as `Event` messages. A last record that a kill cut short ends the file."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    with file.open("rb") as opened:
        while len(head := opened.read(_HEADER.size)) == _HEADER.size:
            length, checksum = _HEADER.unpack(head)
            if masked_crc32c(head[:8]) != checksum:
                return
            record = opened.read(length + 4)
            if len(record) < length + 4:
                return
            yield Event.FromString(record[:length])
