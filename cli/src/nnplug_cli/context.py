"""The context of every command, `ctx.obj`: plugins, progress and folders, each created at its first use."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnplug_cli.command_names import refusals
from nnplug_cli.remedies import REMEDIES
from nnplug_cli.render import nothing_on_stdout

if TYPE_CHECKING:
    from rich.console import Console

    from nnplug.io.readers import Readers
    from nnplug.registry.commands import OfferedCommand
    from nnplug.registry.loader import Plugins
    from nnplug.registry.runtime import Runtime
    from nnplug.remedies import Action
    from nnplug.runtime.executor import Executor
    from nnplug.runtime.progress import Progress
    from nnplug_cli.choices import RuntimeOptions


@dataclass(frozen=True)
class Context:
    """One call of the command.

    Attributes:
        block: names of plugins or distributions that must not be loaded.
        verbose: whether expected errors also show their traceback.
    """

    block: tuple[str, ...] = ()
    verbose: bool = False

    @cached_property
    def plugins(self) -> Plugins:
        """The installed plugins; those that fail to load or are slow are reported once."""
        from nnplug.registry.loader import Plugins, report_plugins

        with nothing_on_stdout():
            plugins = Plugins(block=self.block)
        report_plugins(plugins, self.progress)
        for line in refusals(plugins):
            self.progress.warning(line)
        return plugins

    @cached_property
    def commands(self) -> tuple[OfferedCommand, ...]:
        """The commands of plugins. Plugins that offer none are not imported, so that help is quick."""
        from nnplug.registry.loader import COMMANDS_HOOK, Plugins

        if "plugins" in vars(self):
            return self.plugins.commands
        with nothing_on_stdout():
            return Plugins(block=self.block, hook=COMMANDS_HOOK).commands

    @cached_property
    def readers(self) -> Readers:
        """The readers of image files that the plugins offer."""
        from nnplug.io.readers import Readers

        return Readers.of(self.plugins.registry)

    @cached_property
    def progress(self) -> Progress:
        """Bars on a terminal, lines otherwise; on stderr, so that stdout has only results."""
        from nnplug_cli.progress import Bars, Lines

        return Bars(self.remedies) if sys.stderr.isatty() else Lines(self.remedies)

    @property
    def remedies(self) -> Mapping[Action, str]:
        """The words of the command line for remedies."""
        return REMEDIES

    @cached_property
    def console(self) -> Console:
        """A rich console on stdout, for results that no table or line can show."""
        from rich.console import Console

        return Console()

    def runtime(self, options: RuntimeOptions) -> Runtime:
        """Return the runtime of steps; its executor is closed at the end of the command.

        With the executor `local`, `--workers N` is short for `--set executor.workers=N`.
        """
        from nnplug.steps.session import make_executor

        executor = make_executor(options, self.plugins.registry)
        click.get_current_context().call_on_close(executor.close)
        made = self.runtime_with(executor, device=options.device, workers=options.workers)
        return replace(made, gpu_memory_gb=options.gpu_memory_gb)

    def case_runtime(self, options: RuntimeOptions) -> Runtime:
        """Return the runtime for commands that do not train; only the executor `local` uses `--workers`.

        Raises:
            click.UsageError: `--workers` is given with another executor.
        """
        if options.workers and options.executor != "local":
            raise click.UsageError(
                f"--workers {options.workers} counts threads of this machine; of executor {options.executor!r} set an "
                f"option, such as --set executor.workers={options.workers} (nnplug show executor {options.executor})"
            )
        return self.runtime(options)

    def runtime_with(self, executor: Executor, *, device: str = "auto", workers: int | None = None) -> Runtime:
        """Return the runtime of steps on an existing executor."""
        from nnplug.registry.runtime import Runtime

        return Runtime(self.plugins, executor, device, workers, self.progress)

    def workspace_root(self, option: Path | None) -> Path:
        """Return the workspace: `-w`, else NNPLUG_WORKSPACE, else ./nnplug-work.

        The path is absolute, because jobs on a cluster run in other folders.
        """
        from nnplug.steps.folders import workspace_root

        return workspace_root(option)


def blocked(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the names in texts such as "no:a no:b", of `-p` and of NNPLUG_PLUGINS.

    Raises:
        ValueError: a text has other words.
    """
    words = [word for text in texts for word in re.split(r"[\s,]+", text) if word]
    for word in words:
        if not word.startswith("no:") or word == "no:":
            raise ValueError(f"expected no:NAME, got {word!r}")
    return tuple(word.removeprefix("no:") for word in words)
