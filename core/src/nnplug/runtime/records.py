"""Strict JSON records: an unknown, missing or ill-typed key is an error that names file and key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Any, ClassVar, Self, TypeVar

import msgspec

from nnplug.errors import InvalidFile, Line
from nnplug.runtime.files import write_text
from nnplug.runtime.json_files import read_json

Struct = TypeVar("Struct", bound=msgspec.Struct)


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A frozen data class that is read from and written to JSON with one key per field."""

    @classmethod
    def from_data(cls, data: Any, where: str) -> Self:
        """Return the record made from the result of `json.loads`; `where` names the file in messages.

        Raises:
            InvalidFile: a key is unknown or missing, or a value has the wrong type.
        """
        return converted(data, cls, where)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the record in a JSON file.

        Raises:
            InvalidFile: the file cannot be read, or as in `from_data`.
        """
        return cls.from_data(read_json(path), str(path))

    def data(self) -> Any:
        """Return the record as dictionaries, lists, strings and numbers; optional fields that are None are left out."""
        return _builtins(self)

    def write(self, path: Path) -> None:
        """Write the record as JSON, atomically."""
        write_text(path, self._text())

    def is_in(self, path: Path) -> bool:
        """Return whether a file holds exactly what `write` would write."""
        return path.is_file() and path.read_bytes() == self._text().encode()

    def _text(self) -> str:
        return json.dumps(self.data(), indent=2) + "\n"


class VersionedRecord(Record, frozen=True, kw_only=True):
    """A record whose file has the version of its layout, in the field `schema`.

    Attributes:
        NEWEST: the newest version that this nnplug reads.
        WHAT: the thing that the file describes, for messages.
    """

    NEWEST: ClassVar[int]
    WHAT: ClassVar[str]

    @classmethod
    def from_data(cls, data: Any, where: str) -> Self:
        """Return the record made from JSON data.

        Raises:
            InvalidFile: the schema is newer, or a key is unknown, missing or ill-typed.
        """
        check_schema(data, cls.NEWEST, where, what=cls.WHAT)
        return super().from_data(data, where)


def check_schema(data: Any, newest: int, where: str, *, what: str) -> None:
    """Raise unless a JSON object has a `schema` of at most `newest`; a newer nnplug writes larger ones.

    Raises:
        InvalidFile: it does not; the message has `where` (the file) and `what` (the thing that it describes).
    """
    schema = data.get("schema") if isinstance(data, dict) else None
    if not isinstance(schema, int):
        raise InvalidFile(f"{where}: no {what} of nnplug ('schema' is missing)")
    if schema > newest:
        raise InvalidFile(f"{where}: {what} has schema {schema}, this nnplug reads up to {newest}. Upgrade nnplug.")


def converted(data: Any, kind: type[Struct], where: str) -> Struct:
    """Return JSON data as a class of msgspec; `where` names the file in messages.

    Raises:
        InvalidFile: a key is missing, or unknown to a `Record`, or a value has the wrong type.
    """
    try:
        with CONVERTING:
            return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise InvalidFile(f"{where}: {str(error).replace('`', chr(39))}") from error


CONVERTING = RLock()
"""msgspec 0.22 crashes when two threads convert to a class for the first time: it shares what it has half prepared."""


@cache
def _fields(kind: type[Record]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Return the fields of a record. They are cached: to evaluate annotations takes longer than to write the values."""
    return msgspec.structs.fields(kind)


def _builtins(value: Any) -> Any:
    """Return JSON values. None is left out if it is the default of a field, and kept in options and other mappings."""
    if isinstance(value, Record):
        fields = [(field, getattr(value, field.name)) for field in _fields(type(value))]
        return {f.encode_name: _builtins(v) for f, v in fields if not (v is None and f.default is None)}
    if isinstance(value, Mapping):
        return {str(key): _builtins(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_builtins(item) for item in value]
    if isinstance(value, Line):
        return str(value)
    return msgspec.to_builtins(value)
