"""Let every operation of a run fail that changes the disk: no space, read-only, quota, an error of the device, fsync.

Of operations with the same name on the same file, or on files whose names differ in numbers or random letters, the
first and the last one fail; with `--every` each of them. `python -m tests.torture.disk`
"""

from __future__ import annotations

import argparse
import errno
import json
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.torture.results import SCRATCH, Lines, keep
from tests.torture.scenes import SCENES, command, write_dataset, write_splits
from tests.torture.server import CHANGE, SPACE, SYNC, Done, Failure, Server
from tests.torture.tree import contents, differences, hidden

MODES: Mapping[str, tuple[int, int, bool]] = {
    "ENOSPC": (SPACE, errno.ENOSPC, True),
    "EDQUOT": (SPACE, errno.EDQUOT, True),
    "EROFS": (SPACE | CHANGE, errno.EROFS, True),
    "EIO": (SPACE | CHANGE | SYNC, errno.EIO, False),
    "fsync": (SYNC, errno.EIO, False),
}
"""Name -> kinds of operations, error, and whether the operations after the n-th fail too."""
REMEDY = re.compile(r"(Free|Choose|Delete|Mount|Run|Wait|Look|Check)\b[^.]*\.$|run the same command again\.?$")


@dataclass(frozen=True)
class Step:
    """A part of a run: the words behind its command, and whether its operations fail or it only prepares.

    It has the scene's two configurations, or one of them.
    """

    name: str
    words: tuple[str, ...]
    fails: bool = True
    scene: str = "selection"


STEPS = (
    Step("verify", ("--until", "verify")),
    Step("fingerprint", ("--until", "fingerprint")),
    Step("plan", ("--until", "plan")),
    Step("preprocess", ("--until", "preprocess")),
    Step("first folds", ("--until", "validate", "-f", "0"), fails=False),
    Step("train", ("--until", "train", "-f", "1"), scene="one configuration"),
    Step("validate", ("--until", "validate", "-f", "1"), scene="one configuration"),
    Step("all logits", ("--until", "validate"), fails=False),
    Step("select, postprocess, bundle", ()),
    Step("predict", (), scene="predict"),
)
END = Step("the end", ())


class Campaign:
    """The workspace before and after each step, in a folder."""

    def __init__(self, folder: Path, server: Server) -> None:
        """Make the dataset and the workspace of the trials; its path is the same in all of them."""
        self.folder, self.server = folder, server
        self.dataset = write_dataset(folder)
        self.workspace = folder / "workspace"

    def words(self, step: Step) -> list[str]:
        """Return the words of a step's command."""
        scene = SCENES[step.scene]
        return [
            *command(scene, self.dataset, self.workspace, self.workspace / self.dataset.name / "model/selected"),
            *step.words,
        ]

    def run(self, step: Step, mode: str = "EIO", number: int = 0) -> Done:
        """Run a step, and let an operation fail unless `number` is 0."""
        kinds, error, stays = MODES[mode]
        return self.server.run(self.words(step), Failure(str(self.workspace), kinds, error, number, stays))

    def prepared(self) -> Iterator[tuple[Step, Path]]:
        """Yield each step with a copy of the workspace before it; those of an earlier start are used again."""
        write_splits(self.workspace)
        self._keep(STEPS[0])
        for step, following in zip(STEPS, (*STEPS[1:], END), strict=True):
            if step.fails:
                yield step, self._before(step)
            if not self._before(following).exists():
                self.restore(self._before(step))
                done = self.run(step)
                assert done.code == 0, f"{step.name}: {done.told}"
                self._keep(following)

    def _before(self, step: Step) -> Path:
        return self.folder / f"before {step.name.split(',')[0]}"

    def _keep(self, step: Step) -> None:
        """Copy the workspace, unless there is a copy of before the step."""
        if not self._before(step).exists():
            copy = self.folder / "copy"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(self.workspace, copy)
            copy.rename(self._before(step))

    def restore(self, before: Path) -> None:
        """Make the workspace what it was."""
        shutil.rmtree(self.workspace, ignore_errors=True)
        shutil.copytree(before, self.workspace)


@dataclass(frozen=True)
class Expected:
    """The workspace before and after a step, as `contents` gives it."""

    before: Mapping[str, str]
    after: Mapping[str, str]


def trial(campaign: Campaign, step: Step, before: Path, expected: Expected, mode: str, number: int) -> dict[str, Any]:
    """Let one operation fail, look at what is told and left, run the command again; gives the line of the trial."""
    campaign.restore(before)
    failed = campaign.run(step, mode, number)
    faults = [*told_badly(failed, str(campaign.folder)), *half_written(campaign.workspace, expected)]
    if mode in ("ENOSPC", "EDQUOT", "fsync") and (left := hidden(campaign.workspace)):
        faults.append(f"left over: {left}")
    again = campaign.run(step)
    if again.code:
        faults.append(f"again: code {again.code}: {again.told[-800:]}")
    faults += [f"again: {line}" for line in differences(contents(campaign.workspace), expected.after)]
    operation = failed.failed.replace(str(campaign.folder), "")
    line = {"step": step.name, "mode": mode, "n": number, "operation": operation, "code": failed.code}
    return {**line, "told": _errors(failed.told), "faults": faults}


def _errors(told: str) -> list[str]:
    return [line for line in told.splitlines() if line.startswith("error: ")]


def told_badly(done: Done, folder: str) -> list[str]:
    """Return the faults of the messages of a command; none if it went on to its end in spite of the failure."""
    faults = ["traceback: " + done.told[-1500:]] if "Traceback" in done.told else []
    if done.code == 0:
        return faults
    lines = _errors(done.told)
    if done.code != 1 or not lines:
        return [*faults, f"code {done.code}: {done.told[-800:]}"]
    faults += [f"names no file: {line}" for line in lines if folder not in line]
    return faults + [f"has no remedy: {line}" for line in lines if not REMEDY.search(line)]


def half_written(workspace: Path, expected: Expected) -> list[str]:
    """Return the visible files that are neither those of before nor those of after, and cannot be read."""
    found = contents(workspace, strict=False)
    known = [(name, digest) for one in (expected.before, expected.after) for name, digest in one.items()]
    strange = [name for name, digest in found.items() if (name, digest) not in known]
    faults = [f"half written: {name}" for name in strange if not _is_whole(workspace / name)]
    gone = expected.before.keys() & expected.after.keys() - found.keys()
    return faults + [f"lost: {name}" for name in sorted(gone)]


def _is_whole(file: Path) -> bool:
    """Return whether a file can be read; files that change several times have states between."""
    import numpy as np
    from safetensors.numpy import load_file

    try:
        if file.suffix == ".json":
            json.loads(file.read_text())
        elif file.suffix == ".pt":
            import torch

            torch.load(file, weights_only=True)
        elif file.suffix == ".safetensors":
            load_file(file)
        elif file.suffix == ".npy":
            np.load(file)
        else:
            return file.suffix in (".jsonl", ".png")  # a log may end with half a line, which its readers leave out
    except Exception:  # noqa: BLE001 - damaged files fail in many ways
        return False
    return True


def trials(
    campaign: Campaign,
    lines: Lines,
    choose: Callable[[Sequence[str]], list[int]],
    until: float = float("inf"),
    only: Sequence[str] = (),
) -> Iterator[dict[str, Any]]:
    """Yield trials that no earlier start made.

    Args:
        campaign: the workspace.
        lines: the trials of earlier starts.
        choose: gets the operations of a step and gives the numbers of those that fail, counted from 1.
        until: no trial begins after this time, as `time.monotonic` gives it.
        only: names of steps; empty for all.
    """
    made = {(line["step"], line["mode"], line["n"]) for line in lines.past}
    for step, before in campaign.prepared():
        if (only and step.name.split(",")[0] not in only) or time.monotonic() > until:
            continue
        campaign.restore(before)
        done = campaign.run(step)
        assert done.code == 0, f"{step.name}: {done.told}"
        expected = Expected(contents(before, named=campaign.workspace), contents(campaign.workspace))
        for mode, (kinds, _, _) in MODES.items():
            operations = [operation for kind, operation in done.operations if kind & kinds]
            for number in choose(operations):
                if (step.name, mode, number) not in made and time.monotonic() < until:
                    yield {**trial(campaign, step, before, expected, mode, number), "of": len(operations)}


def first_and_last(operations: Sequence[str]) -> list[int]:
    """Return the numbers of the first and the last operation of each name and kind of file, counted from 1."""
    kinds = [_VARYING.sub("*", operation) for operation in operations]
    first = {kind: number for number, kind in reversed(list(enumerate(kinds, start=1)))}
    last = {kind: number for number, kind in enumerate(kinds, start=1)}
    return sorted({*first.values(), *last.values()})


_VARYING = re.compile(r"\.[0-9a-f]{8}-|\d+")
"""The parts of names that differ between files of one kind: numbers, and the random letters of temporary files."""


def spread(operations: Sequence[str], most: int) -> list[int]:
    """Return the numbers of all operations, counted from 1, or `most` of them, evenly spread."""
    count = len(operations)
    if count <= most:
        return list(range(1, count + 1))
    return sorted({1 + round(i * (count - 1) / (most - 1)) for i in range(most)})


def table(lines: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return per step and error how many trials ended as expected, of how many, and the number of operations."""
    tried = Counter((line["step"], line["mode"]) for line in lines)
    good = Counter((line["step"], line["mode"]) for line in lines if not line["faults"])
    counts = {(line["step"], line["mode"]): line["of"] for line in lines}
    rows = [
        [step, *(_cell(good[step, mode], tried[step, mode], counts.get((step, mode), 0)) for mode in MODES)]
        for step in dict.fromkeys(line["step"] for line in lines)
    ]
    sums = [f"{_sum(good, mode)} of {_sum(tried, mode)}" for mode in MODES]
    return ["step", *MODES], [*rows, ["all", *sums]]


def _sum(counts: Mapping[tuple[str, str], int], mode: str) -> int:
    return sum(count for (_, other), count in counts.items() if other == mode)


def _cell(good: int, tried: int, count: int) -> str:
    return f"{good} of {tried} ({count})" if tried else ""


def summarize(lines: Sequence[Mapping[str, Any]]) -> None:
    """Keep the table for docs/reliability.md."""
    through = sum(line["code"] == 0 for line in lines)
    keep(
        "disk",
        "python -m tests.torture.disk",
        table(lines),
        "A cell: trials that ended as expected, of all trials (operations of that step that can fail so). Operations "
        "with one name on files of one kind, whose names differ in numbers or random letters, fail at their first and "
        "last occurrence.",
        f"In {through} of {len(lines)} trials nothing was lost by the failure, and the command went on to its end.",
    )


def main() -> int:
    """Run the campaign; gives 1 if a trial failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--every", action="store_true", help="let every operation fail, one after the other: many hours"
    )
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no trial after these; go on later")
    parser.add_argument("--lines", type=Path, default=SCRATCH / "disk.jsonl")
    parser.add_argument("--folder", type=Path, default=SCRATCH / "disk", help="for datasets and workspaces")
    parser.add_argument("--step", action="append", default=[], help="only this step; repeatable")
    options = parser.parse_args()
    lines, until = Lines(options.lines), time.monotonic() + options.seconds
    choose = partial(spread, most=sys.maxsize) if options.every else first_and_last
    with Server(options.folder) as server:
        campaign = Campaign(options.folder.resolve(), server)
        for line in trials(campaign, lines, choose, until, options.step):
            lines.add(line)
    if time.monotonic() < until and not options.step:
        summarize(lines.past)
    return int(any(line["faults"] for line in lines.past))


if __name__ == "__main__":
    sys.exit(main())
