"""The local executor as the sound one, and executors that break one promise each."""

from __future__ import annotations

from itertools import islice

from nnplug.errors import Problems
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent


class Sound(LocalExecutor):
    def __init__(self) -> None:
        super().__init__(2)


class Drops(Sound):
    """Forgets the last item."""

    def map(self, function, items, *, stage, name=str):
        return islice(super().map(function, items, stage=stage, name=name), max(len(items) - 1, 0))


class Swallows(Sound):
    """Says nothing of what failed."""

    def map(self, function, items, *, stage, name=str):
        try:
            yield from super().map(function, items, stage=stage, name=name)
        except Problems:
            return


class Mute(Sound):
    """Lets nothing through that jobs report."""

    def map_on_device(self, function, items, *, stage, name=str, progress):
        return super().map_on_device(function, items, stage=stage, name=name, progress=Silent())
