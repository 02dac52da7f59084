"""Printing of the memory of configurations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnplug_cli.render import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnplug.profiling.memory.report import ConfigurationMemory
    from nnplug.runtime.progress import Progress

_COLUMNS = ("configuration", "batch", "training step (GB)", "kept (GB)", "prediction (GB)", "planned for (GB)")


def print_memories(memories: Sequence[ConfigurationMemory], progress: Progress) -> None:
    """Print a row per configuration; notices tell what is not known, and what does not fit.

    Args:
        memories: the memory of each configuration.
        progress: receives the notices.
    """
    rows = [
        (m.configuration, str(m.batch_size), *map(_gigabytes, (m.training, m.kept, m.prediction, m.budget)))
        for m in memories
    ]
    print_table(_COLUMNS, rows)
    tell_memories(memories, progress)


def tell_memories(memories: Sequence[ConfigurationMemory], progress: Progress) -> None:
    """Tell by notices what is not known, and what does not fit."""
    for memory in memories:
        for line in memory.unknown:
            progress.notice(line)
        if memory.fits is False:
            progress.notice(
                f"{memory.configuration}: a training step takes {memory.training:.1f} GB of GPU memory; the plans are "
                f"made for {memory.budget:g} GB"
            )


def _gigabytes(value: float | None) -> str:
    return "not known" if value is None else f"{value:.1f}"
