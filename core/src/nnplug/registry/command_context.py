"""The context that the command line gives to the command of a plugin."""

from __future__ import annotations

from typing import Protocol

from nnplug.registry.loader import Plugins
from nnplug.runtime.progress import Progress


class CommandContext(Protocol):
    """The object of click's context, `@click.pass_obj`, as far as commands of plugins may use it."""

    @property
    def plugins(self) -> Plugins:
        """The installed plugins."""
        ...

    @property
    def progress(self) -> Progress:
        """The receiver of progress, notices and warnings."""
        ...
