"""Printing of the memory of configurations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnplug_cli.render import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnplug.dataset.description import DatasetDescription
    from nnplug.plans.plans import Plans
    from nnplug.profiling.memory.report import ConfigurationMemory
    from nnplug.runtime.progress import Progress
    from nnplug_cli.context import Context

_COLUMNS = ("configuration", "batch", "training step (GB)", "kept (GB)", "prediction (GB)", "planned for (GB)")


def count_memories(context: Context, plans: Plans, description: DatasetDescription) -> list[ConfigurationMemory]:
    """Return the memory of each configuration of plans."""
    from nnplug.profiling.memory.report import plans_memories

    return plans_memories(plans, description, context.plugins.registry)


def memories_data(memories: Sequence[ConfigurationMemory]) -> dict[str, Any]:
    """Return the memories as JSON; nothing if they were not counted."""
    if not memories:
        return {}
    from nnplug.profiling.memory.report import memory_data

    return {"memory": [memory_data(memory) for memory in memories]}


def print_memories(memories: Sequence[ConfigurationMemory], progress: Progress) -> None:
    """Print a row per configuration; notices tell what is not known, and what does not fit.

    Args:
        memories: the memory of each configuration.
        progress: receives the notices.
    """
    rows = [
        (m.configuration, str(m.batch_size), *map(gigabytes, (m.training, m.kept, m.prediction, m.budget)))
        for m in memories
    ]
    print_table(_COLUMNS, rows)
    report_memories(memories, progress)


def report_memories(memories: Sequence[ConfigurationMemory], progress: Progress) -> None:
    """Tell by notices what is not known, and what does not fit."""
    for memory in memories:
        for line in memory.unknown:
            progress.notice(line)
        if memory.fits is False:
            progress.notice(
                f"{memory.configuration}: a training step takes {memory.training:.1f} GB of GPU memory; the plans are "
                f"made for {memory.budget:g} GB"
            )


def gigabytes(value: float | None) -> str:
    """Return GB as text."""
    return "not known" if value is None else f"{value:.1f}"
