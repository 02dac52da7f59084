"""Hubs: places where models are shared, from which a bundle is fetched by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class Hub(Protocol):
    """A component that fetches bundles: `-m NAME:REFERENCE` calls the hub NAME."""

    def fetch(self, reference: str) -> Path:
        """Return the folder of a bundle on this machine, with plain files.

        The core verifies the bundle each time it opens it. Code, pickles and other files of the place are not fetched.

        Args:
            reference: the text of the user after the colon.

        Raises:
            NnplugError: the reference has another form, or there is no such bundle, or it cannot be fetched.
        """
        ...
