"""A sound hub, and hubs that break one promise each."""

from __future__ import annotations

from pathlib import Path

from nnplug.errors import NnplugError


class Sound:
    def fetch(self, reference):
        found = Path("/no-such-drive") / reference
        if not reference or not found.exists():
            raise NnplugError(f"{reference}: no such model")
        return found


class TakesAnything(Sound):
    def fetch(self, reference):
        return Path("/no-such-drive") / reference


class TakesNothing(Sound):
    """Takes the empty reference for the newest model."""

    def fetch(self, reference):
        return super().fetch(reference) if reference else Path("/no-such-drive")


class Raises(Sound):
    def fetch(self, reference):
        return {}[reference]
