"""The table and the picture of the README: `python curve.py -o curve.png NAME=RUN ..`, each RUN a fold's folder."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path

from matplotlib.figure import Figure

from nnplug.contracts import LogLine, read_log
from nnplug.runtime.json_files import read_json
from nnplug.workspace.layout import RunFolder

Epochs = Sequence[LogLine]


def main() -> None:
    """Print a line of the table for each run, and draw their Dice against the time that they trained."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("runs", nargs="+", metavar="NAME=RUN")
    arguments.add_argument("-o", "--output", type=Path, required=True)
    given = arguments.parse_args()
    runs = {name: RunFolder(Path(path)) for name, _, path in (word.partition("=") for word in given.runs)}
    for name, run in runs.items():
        print(line(name, run))
    draw({name: read_log(run.log) for name, run in runs.items()}, given.output)


def line(name: str, run: RunFolder) -> str:
    """Return a row: the name, the minutes, the last pseudo Dice, and the Dice of whole validation images."""
    epochs = read_log(run.log)
    summary = run.validation / "summary.json"
    whole = f"{read_json(summary)['foreground_mean']['Dice']:.3f}" if summary.exists() else "not validated"
    return f"| {name} | {minutes(epochs)[-1]:.1f} | {epochs[-1].mean_dice:.3f} | {whole} |"


def minutes(epochs: Epochs) -> list[float]:
    """Return the minutes from the start to the end of each epoch."""
    return [seconds / 60 for seconds in accumulate(epoch.seconds for epoch in epochs)]


def draw(logs: Mapping[str, Epochs], picture: Path) -> None:
    """Draw the pseudo Dice of validation patches after each epoch."""
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    for name, epochs in logs.items():
        axes.plot(minutes(epochs), [epoch.mean_dice for epoch in epochs], marker=".", label=name)
    axes.set(xlabel="minutes", ylabel="pseudo Dice", ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(picture, dpi=80)


if __name__ == "__main__":
    main()
