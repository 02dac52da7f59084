"""Read the files `run-ID.wandb`, in which W&B keeps a run without a server.

A file has a header of 7 bytes and then records in LevelDB's log format: blocks of 32 KiB; a record that does not fit
into the rest of a block is in several parts. W&B writes whole blocks, so a kill can lose the last epochs, which are
then sent again.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path

_BLOCK = 32768
_FILE_HEADER = 7
_PART = struct.Struct("<IHB")  # checksum, length, and position of a part of a record
_WHOLE, _FIRST, _LAST = 1, 2, 4


def count_epochs(folder: Path, run_id: str) -> int:
    """Return the number of epochs that the files of a run have, in all of its starts.

    Args:
        folder: the folder that holds the folder `wandb`.
        run_id: the id of the run.
    """
    files = sorted(folder.glob(f"wandb/offline-run-*/run-{run_id}.wandb"))
    return max((step for file in files for step in read_steps(file)), default=-1) + 1


def wait_for_epochs(folder: Path, run_id: str, epochs: int, seconds: float) -> None:
    """Return when the files of a run have some number of epochs, at the latest after some seconds.

    `finish` of a run without a server returns before W&B's process has written the end of the file.
    """
    end = time.monotonic() + seconds
    while count_epochs(folder, run_id) < epochs and time.monotonic() < end:
        time.sleep(0.05)


def read_steps(file: Path) -> Iterator[int]:
    """Yield the step of each row of the history in a file."""
    from wandb.proto.wandb_internal_pb2 import Record

    for content in _records(file.read_bytes()):
        record = Record.FromString(content)
        if record.WhichOneof("record_type") == "history":
            for item in record.history.item:
                if item.key == "_step" or list(item.nested_key) == ["_step"]:
                    yield json.loads(item.value_json)


def _records(content: bytes) -> Iterator[bytes]:
    """Yield the whole records; the first part that is missing or cut short ends the file."""
    place, parts = _FILE_HEADER, b""
    while place + _PART.size <= len(content):
        if _BLOCK - place % _BLOCK < _PART.size:
            place += _BLOCK - place % _BLOCK  # the rest of a block that holds no header is filled with zeros
            continue
        _, length, position = _PART.unpack_from(content, place)
        start, place = place + _PART.size, place + _PART.size + length
        if not position or place > len(content):
            return
        parts = content[start:place] if position in (_WHOLE, _FIRST) else parts + content[start:place]
        if position in (_WHOLE, _LAST):
            yield parts
