"""The memory, open files and threads of a process, as Linux tells them in /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A running process."""

    pid: int

    @classmethod
    def own(cls) -> Process:
        """Return the process that calls."""
        return cls(os.getpid())

    def sample(self) -> dict[str, int]:
        """Return resident memory in bytes, open files and threads."""
        status = self._status()
        files = len(list((self._folder / "fd").iterdir()))
        return {"memory": status["VmRSS"] << 10, "files": files, "threads": status["Threads"]}

    def peak(self) -> int:
        """Return the largest resident memory so far, bytes."""
        return self._status()["VmHWM"] << 10

    @property
    def _folder(self) -> Path:
        return Path(f"/proc/{self.pid}")

    def _status(self) -> dict[str, int]:
        lines = (line.split(":", 1) for line in (self._folder / "status").read_text().splitlines())
        words = {name: value.split() for name, value in lines}
        return {name: int(value[0]) for name, value in words.items() if value and value[0].isdigit()}
