"""The commands that plugins add to the command line. The core keeps them; only a command line imports them."""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from typing import Any

from nnplug.errors import Interruption, InvalidPlugin
from nnplug.registry.attribution import Origin
from nnplug.registry.base_entry import check_name, check_summary, check_target
from nnplug.registry.components import Source


@dataclass(frozen=True)
class PluginCommand:
    """A command of a plugin: `nnplug NAME`, or `nnplug PARENT NAME`.

    Attributes:
        name: the word that users type; lower-case words joined by hyphens.
        target: "package.module:attribute", a click command or group. It is imported when a user calls the command.
        summary: one line for the list of commands.
        parent: a group of nnplug's own commands, such as "model" or "dataset"; empty for a command of its own.
    """

    name: str
    target: str
    summary: str
    parent: str = ""

    def __post_init__(self) -> None:
        """Raise `InvalidPlugin` unless all fields are valid."""
        check_name("command", self.name)
        check_summary("command", self.name, self.summary)
        check_target("target", self.target, self.name)
        if self.parent != "":
            check_name("command", self.parent)

    @property
    def words(self) -> str:
        """The words that users type after `nnplug`."""
        return f"{self.parent} {self.name}".strip()


@dataclass(frozen=True)
class OfferedCommand:
    """A command with its source."""

    command: PluginCommand
    source: Source

    def __str__(self) -> str:
        """Return the text for messages: the words of the command and the distribution."""
        return f"command {self.command.words!r} from {self.source}"

    @property
    def origin(self) -> Origin:
        """The command's title, distribution and module, for error messages."""
        return Origin(str(self), self.source.distribution, self.command.target.partition(":")[0])

    def load(self) -> Any:
        """Import the target and return it.

        Raises:
            InvalidPlugin: it cannot be imported; the message names command and distribution.
        """
        target = self.command.target
        try:
            return pkgutil.resolve_name(target)
        except (KeyboardInterrupt, Interruption):
            raise
        except BaseException as error:  # sys.exit() and a panic in an extension are no `Exception`
            raise InvalidPlugin(f"{self} cannot be imported ({target}: {type(error).__name__}: {error})") from error
