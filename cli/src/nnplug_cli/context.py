"""The context of every command, `ctx.obj`: plugins, progress and folders, each made when it is first used."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnplug.errors import within
from nnplug.registry.components import Kind
from nnplug_cli.remedies import REMEDIES

if TYPE_CHECKING:
    from rich.console import Console

    from nnplug.registry.loader import Plugins
    from nnplug.registry.runtime import Runtime
    from nnplug.remedies import Action
    from nnplug.runtime.executor import Executor
    from nnplug.runtime.progress import Progress
    from nnplug_cli.options import RuntimeOptions


@dataclass(frozen=True)
class Context:
    """One call of the command.

    Attributes:
        block: names of plugins or distributions that are not to be loaded.
        verbose: whether expected errors also show where they came from.
    """

    block: tuple[str, ...] = ()
    verbose: bool = False

    @cached_property
    def plugins(self) -> Plugins:
        """The installed plugins; those that fail to load or are slow are reported once, here."""
        from nnplug.registry.loader import Plugins, Status

        with redirect_stdout(sys.stderr):  # what a plugin prints must not end up among the results
            plugins = Plugins(block=self.block)
        for plugin in plugins:
            if plugin.status is Status.FAILED:
                self.progress.warning(f"{plugin} is off: {plugin.reason}")
            if plugin.delay:
                self.progress.notice(within(f"{plugin} ", plugin.delay))
        return plugins

    @cached_property
    def progress(self) -> Progress:
        """Bars on a terminal, lines otherwise; on stderr, so that stdout holds results only."""
        from nnplug_cli.progress import Bars, Lines

        return Bars(self.remedies) if sys.stderr.isatty() else Lines(self.remedies)

    @property
    def remedies(self) -> Mapping[Action, str]:
        """The words of the command line for remedies."""
        return REMEDIES

    @cached_property
    def console(self) -> Console:
        """Rich output of results on stdout, for what no table or line can show."""
        from rich.console import Console

        return Console()

    def runtime(self, options: RuntimeOptions) -> Runtime:
        """Return what stages work with; its executor is closed when the command ends.

        With the executor `local`, `--workers N` is a shorter `--set executor.workers=N`.
        """
        name, workers = options.executor, options.workers
        own = {"workers": workers} if name == "local" and workers else {}
        given = options.overrides.get(Kind.EXECUTOR, {})
        executor: Executor = self.plugins.registry.create(Kind.EXECUTOR, name, {**own, **given})
        click.get_current_context().call_on_close(executor.close)
        return self.runtime_with(executor, device=options.device, workers=workers)

    def case_runtime(self, options: RuntimeOptions) -> Runtime:
        """Return `runtime` for commands that train nothing, where only the executor `local` uses `--workers`."""
        if options.workers and options.executor != "local":
            raise click.UsageError(
                f"--workers {options.workers} counts threads of this machine; of executor {options.executor!r} set an "
                f"option, such as --set executor.workers={options.workers} (nnplug show executor {options.executor})"
            )
        return self.runtime(options)

    def runtime_with(self, executor: Executor, *, device: str = "auto", workers: int | None = None) -> Runtime:
        """Return what stages work with, on an executor that is there already."""
        from nnplug.registry.runtime import Runtime

        return Runtime(self.plugins, executor, device, workers, self.progress)

    def workspace_root(self, option: Path | None) -> Path:
        """The workspace: `-w`, else NNPLUG_WORKSPACE, else ./nnplug-work; absolute, since jobs run elsewhere."""
        return (option or Path(os.environ.get("NNPLUG_WORKSPACE") or "nnplug-work")).absolute()


def blocked(texts: Iterable[str]) -> tuple[str, ...]:
    """The names in texts such as "no:a no:b", of `-p` and of NNPLUG_PLUGINS; raises `ValueError` for other words."""
    words = [word for text in texts for word in re.split(r"[\s,]+", text) if word]
    for word in words:
        if not word.startswith("no:") or word == "no:":
            raise ValueError(f"expected no:NAME, got {word!r}")
    return tuple(word.removeprefix("no:") for word in words)
