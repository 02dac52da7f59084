"""Messages and tables fit a terminal; in a pipe each is one line."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from io import StringIO
from pathlib import Path

import pytest

from nnplug_cli.wrapping import message, one_line, terminal_width, wrapped

NNPLUG = Path(sys.executable).with_name("nnplug")
COLUMNS = 60
TEXT = "case a: " + "word " * 20 + "/a/path/" + 70 * "x"
DESCRIPTION = {
    "channel_names": {"0": "a channel with a name"},
    "labels": {"background": 0, "a": 1},
    "numTraining": 2,
    "file_ending": ".mha",
}


def test_long_words_are_not_broken():
    lines = wrapped(TEXT, COLUMNS).splitlines()
    assert all(len(line) <= COLUMNS for line in lines[:-1])
    assert lines[-1] == "  /a/path/" + 70 * "x"
    assert " ".join(line.strip() for line in lines) == TEXT


def test_without_a_terminal_a_message_is_one_line():
    assert message("a\nb", StringIO()) == one_line("a\nb") == "a b"
    assert wrapped(TEXT, None) == TEXT
    assert terminal_width(StringIO()) is None


def in_terminal(*words):
    """Run the command in a terminal of 60 columns, and return what it shows."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")}
    environment |= {"TERM": "dumb", "NO_COLOR": "1"}
    with subprocess.Popen([NNPLUG, *map(str, words)], stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux tells the end so
                break
            if not part:
                break
            shown += part
    os.close(ours)
    return shown.decode().replace("\r\n", "\n"), process.returncode


@pytest.fixture
def faulty(tmp_path):
    """A dataset whose two cases lack their label maps, and whose images are no images."""
    images = tmp_path / "Dataset001_A" / "imagesTr"
    images.mkdir(parents=True)
    (images.parent / "labelsTr").mkdir()
    for name in ("first", "second"):
        (images / f"{name}_0000.mha").write_text("no image")
    (images.parent / "dataset.json").write_text(json.dumps(DESCRIPTION))
    return images.parent


def calls(faulty):
    yield "verify", faulty  # findings on stdout
    yield "run", faulty, "-w", faulty.parent / "work"  # an error with several lines
    yield "components", "loss"  # a table


def test_everything_fits_a_terminal_and_is_a_line_in_a_pipe(faulty):
    for words in calls(faulty):
        shown, code = in_terminal(*words)
        piped = subprocess.run([NNPLUG, *map(str, words)], capture_output=True, text=True, check=False)
        assert piped.returncode == code, shown
        lines = (piped.stdout + piped.stderr).splitlines()
        assert any(len(line) > COLUMNS for line in lines), "else nothing is tested"
        long = [line for line in shown.splitlines() if len(line) > COLUMNS and " " in line.strip()]
        assert not long, words
        if words[0] != "components":  # a table wraps within its cells
            assert " ".join(shown.split()) == " ".join(" ".join(lines).split())
