"""Parse a form in parts as it arrives: files go to disk at once, fields stay in memory up to a limit."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from nnplug_server.refusal import Refusal

MOST_PARTS = 5000
FIELD_BYTES = 1_000_000
"""The bytes of all fields of a form together."""

_LONGEST_NAME = 100


@dataclass(frozen=True)
class SentFile:
    """A file of a form.

    Attributes:
        field: the name of its part.
        name: the name of the file for messages, without folders and control characters. It is no path.
        path: the file on disk, under a name of our own.
    """

    field: str
    name: str
    path: Path


@dataclass
class FormParser:
    """A parser of multipart/form-data. `feed` takes the bytes; then `finish` closes it, and `close` in any case.

    Attributes:
        boundary: the boundary of the parts.
        folder: the folder for the files.
        fields: name -> text of the fields so far.
        files: the files so far.
    """

    boundary: bytes
    folder: Path
    fields: dict[str, str] = field(default_factory=dict)
    files: list[SentFile] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin before the first part."""
        self._headers: dict[bytes, bytes] = {}
        self._key = self._value = b""
        self._name = ""
        self._text = bytearray()
        self._file: BinaryIO | None = None
        self._parts = self._field_bytes = 0
        self._is_whole = False
        try:
            self._parser = MultipartParser(
                self.boundary,
                {
                    "on_part_begin": self._part_begins,
                    "on_header_field": self._header_key,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_ends,
                    "on_headers_finished": self._data_begins,
                    "on_part_data": self._data,
                    "on_part_end": self._part_ends,
                    "on_end": self._form_ends,
                },
            )
        except FormParserError as error:
            raise _unreadable(error) from error

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            Refusal: the form is damaged, or has too many parts or too long fields.
            OSError: a file cannot be written.
        """
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _unreadable(error) from error

    def finish(self) -> None:
        """Raise `Refusal` if the form is not complete."""
        if not self._is_whole:
            raise Refusal(HTTPStatus.BAD_REQUEST, "the form ends before its last boundary; send it again")

    def close(self) -> None:
        """Close the file that is being written, if there is one."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _part_begins(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            line = f"the form has more than {MOST_PARTS} parts; send the files in a zip file"
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, line)
        self._headers.clear()

    def _header_key(self, data: bytes, start: int, end: int) -> None:
        self._key += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ends(self) -> None:
        self._headers[self._key.lower()] = self._value
        self._key = self._value = b""

    def _data_begins(self) -> None:
        _, words = parse_options_header(self._headers.get(b"content-disposition"))
        self._name = words.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in words:
            name = _shown(words[b"filename"].decode("utf-8", "replace"))
            sent = SentFile(self._name, name, self.folder / f"part_{self._parts:05d}")
            self._file = sent.path.open("wb")
            self.files.append(sent)

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(memoryview(data)[start:end])
            return
        self._field_bytes += end - start
        if self._field_bytes > FIELD_BYTES:
            line = f"the fields of the form have more than {FIELD_BYTES} bytes; send an image as a file with a name"
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, line)
        self._text += data[start:end]

    def _part_ends(self) -> None:
        if self._file is not None:
            self.close()
        else:
            self.fields[self._name] = self._text.decode("utf-8", "replace")
            self._text.clear()

    def _form_ends(self) -> None:
        self._is_whole = True


def _shown(name: str) -> str:
    """Return the last part of a file's name, for messages."""
    last = PurePosixPath(PureWindowsPath(name).name).name
    printable = "".join(letter for letter in last if letter.isprintable())
    return printable[-_LONGEST_NAME:] or "file"


def _unreadable(error: FormParserError) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, f"the form is not readable as multipart/form-data ({error}); send it again")
