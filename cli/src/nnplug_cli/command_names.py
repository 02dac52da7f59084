"""The names of the commands of `nnplug`, and the commands of plugins that have one of these."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nnplug.registry.commands import OfferedCommand

if TYPE_CHECKING:
    from nnplug.registry.loader import Plugins

COMMANDS = {
    "demo": "Run the whole pipeline on phantom data.",
    "run": "Turn a dataset into a trained, validated model.",
    "dataset": "Convert folders in other layouts to datasets.",
    "verify": "Report every problem of a dataset.",
    "fingerprint": "Measure a dataset.",
    "plan": "Decide configurations from a fingerprint.",
    "split": "Choose the folds of cross-validation.",
    "preprocess": "Crop, normalise and resample every case.",
    "train": "Train one fold of one configuration.",
    "predict": "Segment new images with a model.",
    "evaluate": "Score predictions against references.",
    "rank": "Rank submissions by their summaries.",
    "ensemble": "Average the stored probabilities of several models.",
    "select": "Choose the best configuration or ensemble.",
    "overlay": "Draw label maps over their images.",
    "postprocess": "Fit a postprocessing rule, or apply one.",
    "model": "Export, import and show trained models.",
    "status": "Show what is trained, what runs where, and the time left.",
    "completion": "Print a script that completes commands in a shell.",
    "plugins": "List, check and write plugins.",
    "components": "List the components of the plugins.",
    "show": "Describe a component, its options and its origin.",
    "doctor": "Report the limits of this machine.",
    "bench": "Measure the parts of a training iteration.",
}
"""Every command with its one-line help, in the order of a project; a test compares them with the modules."""

GROUPS = {
    "dataset": ("convert", "restore"),
    "postprocess": ("apply", "fit"),
    "model": ("export", "import", "show", "summary"),
    "plugins": ("check", "list", "new"),
}
"""The commands of each command that is a group; a test compares them with the modules."""


def refusal(offered: OfferedCommand) -> str:
    """Return the reason why a command of a plugin cannot be called; empty if it can."""
    command = offered.command
    names = COMMANDS if not command.parent else GROUPS.get(command.parent)
    if names is None:
        return f"nnplug has no group of commands {command.parent!r}"
    return "nnplug has a command of this name" if command.name in names else ""


def refusals(plugins: Plugins) -> Iterator[str]:
    """Yield a line for each command of a plugin that cannot be called."""
    for one in plugins.commands:
        if reason := refusal(one):
            yield f"{one} is off: {reason}"
