"""Read a Dockerfile: its stages, each with the instructions that `release.chroot` carries out."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

KNOWN = frozenset({"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "FROM", "LABEL", "RUN", "USER", "WORKDIR"})


@dataclass(frozen=True)
class Instruction:
    """An instruction of a Dockerfile, such as `RUN` with a shell command."""

    word: str
    value: str

    def pairs(self) -> dict[str, str]:
        """Return the pairs KEY=VALUE of an ENV or LABEL."""
        return dict(one.split("=", 1) for one in shlex.split(self.value))

    def words(self) -> list[str]:
        """Return the words of an ENTRYPOINT or CMD in its JSON form."""
        words: list[str] = json.loads(self.value)
        return words


@dataclass(frozen=True)
class Stage:
    """A FROM with the instructions that follow it."""

    base: str
    name: str | None
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True, kw_only=True)
class Image:
    """The configuration of an image: environment, user, folder and command of its process.

    Attributes:
        env: variables of the process.
        user: number of the user; "0" is root.
        workdir: the folder in which the command starts.
        entrypoint: the command.
        cmd: its arguments if none are given.
        labels: of the image.
    """

    env: Mapping[str, str] = field(
        default_factory=lambda: {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    )
    user: str = "0"
    workdir: str = "/"
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def after(self, one: Instruction) -> Self:
        """Return the image after an instruction that only changes these fields."""
        match one.word:
            case "ENV":
                return replace(self, env={**self.env, **one.pairs()})
            case "LABEL":
                return replace(self, labels={**self.labels, **one.pairs()})
            case "USER":
                return replace(self, user=one.value)
            case "WORKDIR":
                return replace(self, workdir=one.value)
            case "ENTRYPOINT":
                return replace(self, entrypoint=tuple(one.words()))
            case "CMD":
                return replace(self, cmd=tuple(one.words()))
        return self


def instructions(text: str) -> Iterator[Instruction]:
    """Yield the instructions of a Dockerfile: comments are left out, continued lines joined.

    Raises:
        ValueError: an instruction is none of `KNOWN`; the message has its line.
    """
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in filter(str.strip, re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()):
        word, _, value = line.strip().partition(" ")
        if word not in KNOWN:
            raise ValueError(f"{word} is not carried out here: {line}")
        yield Instruction(word, value.strip())


def substituted(value: str, variables: Mapping[str, str]) -> str:
    """Return a value with the variables in it, `$NAME` or `${NAME}`, replaced; unknown ones are empty."""
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda found: variables.get(found[1] or found[2], ""), value)


def read(file: Path, arguments: Mapping[str, str]) -> tuple[Stage, ...]:
    """Return the stages of a Dockerfile.

    Args:
        file: the Dockerfile.
        arguments: build argument -> value, for the bases; others are left to the stages.

    Raises:
        ValueError: an instruction is not known.
    """
    outer: dict[str, str] = {}
    stages: list[Stage] = []
    for one in instructions(file.read_text()):
        if one.word == "FROM":
            base, _, name = substituted(one.value, outer).partition(" AS ")
            stages.append(Stage(base, name or None, ()))
        elif stages:
            stages[-1] = replace(stages[-1], instructions=(*stages[-1].instructions, one))
        elif one.word == "ARG":
            name, _, default = one.value.partition("=")
            outer[name] = arguments.get(name, default)
    return tuple(stages)
