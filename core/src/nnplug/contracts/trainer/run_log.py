"""The log of a training, `log.jsonl`: the type of a line, and functions that read and write it."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from nnplug.errors import InvalidFile
from nnplug.runtime.files import explained, write_text
from nnplug.runtime.json_text import parse_json
from nnplug.runtime.records import Record


class LogLine(Record, frozen=True, kw_only=True):
    """One line of `log.jsonl`: the results of one epoch.

    Optional values that are None are left out of the file.

    Attributes:
        epoch: counted from 0.
        learning_rate: of the last iteration; the key in the file is `lr`.
        train_loss: mean over the training batches.
        val_loss: mean over the validation batches; None if the trainer computes none.
        dice: per class or region, in the order of `Labels.by_output`; None for a class that is in no validation batch.
            None if the trainer computes no Dice.
        mean_dice: mean over the classes that have a Dice.
        smoothed_dice: moving average of `mean_dice` over the epochs.
        seconds: duration of the epoch, with validation.
        wait_seconds: the part of `seconds` in which the training waits for batches.
    """

    epoch: int
    learning_rate: float = msgspec.field(name="lr")
    train_loss: float
    val_loss: float | None = None
    dice: tuple[float | None, ...] | None = None
    mean_dice: float | None = None
    smoothed_dice: float | None = None
    seconds: float
    wait_seconds: float | None = None


def read_log(path: Path, *, first: int = 0) -> list[LogLine]:
    """Return the lines of a `log.jsonl`; none if the file is missing. A last line that a kill cut short is left out.

    Args:
        path: the file.
        first: the index of the first line to return; earlier ones are not parsed.

    Raises:
        InvalidFile: a line is not JSON, lacks a key, or has an unknown key or a value of another type.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    numbered = [(number, text) for number, text in enumerate(lines, start=1) if text]
    return [_line(text, f"{path}, line {number}") for number, text in numbered[first:]]


def append_log(path: Path, line: LogLine) -> None:
    """Append one line to a `log.jsonl`.

    Raises:
        NnplugError: the disk is full or the file cannot be written.
        ValueError: a field of `line` has a value of another type than `LogLine` declares.
    """
    text = _text(line)
    try:
        _line(text, f"{path}, epoch {line.epoch}")
    except InvalidFile as error:
        raise ValueError(str(error)) from error  # an error of the trainer, not of the user
    with explained(path), path.open("a", encoding="utf-8") as log:
        log.write(text)


def truncate_log(path: Path, kept: int) -> None:
    """Keep only the first `kept` lines of a `log.jsonl`, for a training that resumes from an earlier state.

    Raises:
        InvalidFile: as in `read_log`.
    """
    write_text(path, "".join(map(_text, read_log(path)[:kept])))


def _text(line: LogLine) -> str:
    return json.dumps(line.data()) + "\n"


def _line(text: str, where: str) -> LogLine:
    try:
        data = parse_json(text)
    except ValueError as error:
        raise InvalidFile(f"{where}: {text[:40]!r} is no JSON ({error})") from error
    return LogLine.from_data(data, where)
