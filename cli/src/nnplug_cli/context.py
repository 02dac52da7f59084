"""What every command gets as `ctx.obj`: plugins, progress and places, each made when it is first used."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnplug.registry.components import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from nnplug.registry.loader import Plugins
    from nnplug.registry.runtime import Runtime
    from nnplug.runtime.executor import Executor
    from nnplug.runtime.progress import Progress


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
        """The installed plugins; one that cannot be loaded, or that all wait for, is told once, here."""
        from nnplug.registry.loader import Plugins, Status

        with redirect_stdout(sys.stderr):  # what a plugin prints must not end up among the results
            plugins = Plugins(block=self.block)
        for plugin in plugins:
            if plugin.status is Status.FAILED:
                self.progress.warning(f"{plugin} is off: {plugin.reason}")
            if plugin.delay:
                self.progress.notice(f"{plugin} {plugin.delay}")
        return plugins

    @cached_property
    def progress(self) -> Progress:
        """Bars on a terminal, lines otherwise; on stderr, so that stdout holds results only."""
        from nnplug_cli.progress import Bars, Lines

        return Bars() if sys.stderr.isatty() else Lines()

    @cached_property
    def console(self) -> Console:
        """Rich output of results on stdout, for what no table or line can show."""
        from rich.console import Console

        return Console()

    def make_case_executor(self, name: str, options: Mapping[str, Any], workers: int | None) -> Executor:
        """`make_executor` for commands that train nothing, where another executor has no use for `--workers`."""
        if workers and name != "local":
            raise click.UsageError(
                f"--workers {workers} counts threads of this machine; of executor {name!r} set an option, such as "
                f"--set executor.workers={workers} (nnplug show executor {name})"
            )
        return self.make_executor(name, options, workers)

    def make_executor(self, name: str, options: Mapping[str, Any], workers: int | None) -> Executor:
        """The executor of that name, which is closed when the command ends.

        Args:
            name: of the component.
            options: what `--set executor.KEY=VALUE` gives.
            workers: what `--workers` gives, which for `local` is a shorter `--set executor.workers=N`.
        """
        own = {"workers": workers} if name == "local" and workers else {}
        executor: Executor = self.plugins.registry.create(Kind.EXECUTOR, name, {**own, **options})
        click.get_current_context().call_on_close(executor.close)
        return executor

    def runtime(self, executor: Executor, *, device: str = "auto", workers: int | None = None) -> Runtime:
        """What stages work with: the plugins and the progress of this call, and what its options say."""
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
