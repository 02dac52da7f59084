"""Kill commands at random instants, start them again, and compare the end with that of an undisturbed run.

`python -m tests.torture.kill --kills 100 --seed 7`
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from tests.torture.results import SCRATCH, Lines, keep
from tests.torture.scenes import SCENES, Scene, command, environment, write_dataset, write_splits
from tests.torture.server import PATIENCE, Server
from tests.torture.tree import contents, differences

MARKED = Path(__file__).with_name("marked.py")
TURNS = ("selection", "predict", "cascade", "two folds at once", "selection", "cascade", "two devices", "predict")
"""The scenes of one trial after the other."""
ORDER = list(dict.fromkeys(stage for scene in SCENES.values() for stage in scene.stages))


@dataclass(frozen=True)
class Mark:
    """The begin of a stage: seconds, and the number of changes of files before it."""

    stage: str
    seconds: float
    changes: int


@dataclass(frozen=True)
class Kill:
    """A kill that is planned.

    Attributes:
        stage: the stage to wait for.
        occurrence: which of its marks, from 1.
        how: "time" or "file" for the process group, "worker" for one process that the command started.
        after: seconds after the mark, or the number of changes of files.
    """

    stage: str
    occurrence: int
    how: str
    after: float


@dataclass(frozen=True)
class Start:
    """A start of a command: how it ended, the stage that it was in, and the end of its messages."""

    code: int
    stage: str
    killed: bool
    told: str


@dataclass(frozen=True)
class Reference:
    """An undisturbed run: what it left, and when its stages began."""

    contents: Mapping[str, str]
    marks: tuple[Mark, ...]


class Campaign:
    """The dataset, the model for `predict` and the undisturbed runs, in a folder that is kept between starts."""

    def __init__(self, folder: Path, server: Server) -> None:
        """Make the dataset, unless an earlier start made it."""
        self.folder, self.server = folder, server
        self.dataset = write_dataset(folder)
        self._references: dict[str, Reference] = {}

    @property
    def model(self) -> Path:
        """The model that predicts: that of the undisturbed selection."""
        return self.folder / "undisturbed selection" / self.dataset.name / "model" / "selected"

    def reference(self, name: str) -> Reference:
        """Return the undisturbed run of a scene."""
        if name not in self._references:
            if name == "predict":
                self.reference("selection")
            workspace = self.folder / f"undisturbed {name}"
            marks = workspace.with_name(f"{workspace.name}.marks")
            if not marks.exists() or read_marks(marks)[-1].stage != "end":
                shutil.rmtree(workspace, ignore_errors=True)
                marks.unlink(missing_ok=True)
                done = self.start(name, workspace)
                assert done.code == 0, f"{name}: the undisturbed run failed: {done.told}"
            self._references[name] = Reference(contents(workspace), tuple(read_marks(marks)))
        return self._references[name]

    def start(self, name: str, workspace: Path, kill: Kill | None = None) -> Start:
        """Start a scene's command once, and kill it as planned."""
        scene = SCENES[name]
        if scene.words and not workspace.exists():
            write_splits(workspace)
        marks = workspace.with_name(f"{workspace.name}.marks")
        marks.unlink(missing_ok=True)
        at = f"{kill.stage}:{kill.after:.0f}" if kill and kill.how == "file" else ""
        words = command(scene, self.dataset, workspace, self.model)
        run = _in_processes if scene.workers else self._in_server
        code, killed, told = run(words, marks, at, kill if kill and kill.how != "file" else None)
        return Start(code, killed or _last(marks), bool(killed) or code == -signal.SIGKILL, told)

    def _in_server(self, words: list[str], marks: Path, at: str, kill: Kill | None) -> tuple[int, str, str]:
        """Run a command that starts no processes in one that is forked; see `_in_processes`."""
        group = self.server.start(words, marks=(str(marks), at))
        if kill:
            _carry_out(group, marks, kill)
        done = self.server.end()
        return done.code, "", done.told  # its code says whether it was killed, and its last mark in which stage


def _in_processes(words: list[str], marks: Path, at: str, kill: Kill | None) -> tuple[int, str, str]:
    """Run a command that starts processes; gives code, the stage in which something was killed, and messages."""
    every = [sys.executable, str(MARKED), str(marks), at, *words]
    with tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen(
            every, stdout=told, stderr=subprocess.STDOUT, env=environment(), start_new_session=True
        )
        killed = _carry_out(process.pid, marks, kill) if kill else ""
        code = _end(process)
        told.seek(0)
        return code, killed, told.read()


def read_marks(file: Path) -> list[Mark]:
    """Return the marks so far; a line that is not whole is left out."""
    lines = file.read_text().split("\n")[:-1] if file.exists() else []
    parts = (line.split("\t") for line in lines)
    return [Mark(stage, float(seconds), int(changes)) for stage, seconds, changes in parts]


def _last(marks: Path) -> str:
    begun = read_marks(marks)
    return begun[-1].stage if begun else "start"


def _carry_out(group: int, marks: Path, kill: Kill) -> str:
    """Wait for the mark and the time of a kill; gives the stage, or "" if nothing was there to kill."""
    until = time.monotonic() + PATIENCE
    while _runs(group) and time.monotonic() < until:
        begun = [mark.stage for mark in read_marks(marks)]
        if begun.count(kill.stage) >= kill.occurrence:
            time.sleep(kill.after)
            break
        time.sleep(0.002)
    stage = _last(marks)
    if not _runs(group):
        return ""
    if kill.how == "worker":
        return stage if _kill_worker(group, random.Random(kill.after)) else ""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    return stage


def _runs(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _kill_worker(main: int, draw: random.Random) -> bool:
    """Kill a process that the main process started; those that only look after others are left alone."""
    with suppress(psutil.NoSuchProcess):
        found = psutil.Process(main).children(recursive=True)
        workers = [one for one in found if "resource_tracker" not in " ".join(one.cmdline())]
        if workers:
            draw.choice(workers).kill()
            return True
    return False


def _end(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end of the main process; the rest of its group is killed, as a job system does."""
    try:
        return process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        return 1000  # no exit code: it hangs
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def planned(scene: Scene, reference: Reference, draw: random.Random, most: int) -> list[Kill]:
    """Return random kills, stage after stage, so that each start gets further than the one before."""
    stages = [draw.choice(scene.stages) for _ in range(draw.randint(min(most, (most + 1) // 2), most))]
    kills = []
    for stage in sorted(stages, key=ORDER.index):
        places = [i for i, mark in enumerate(reference.marks[:-1]) if mark.stage == stage]
        place = draw.choice(places)
        mark = reference.marks[place]
        following = next(one for one in reference.marks[place + 1 :] if not scene.workers or one.stage != stage)
        how = draw.choice(("time", "worker", "worker") if scene.workers else ("time", "file"))
        changes = following.changes - reference.marks[places[0]].changes
        if how == "file" and changes > 0:
            kills.append(Kill(stage, 1, how, draw.randint(1, changes)))
        else:
            how = "time" if how == "file" else how
            after = draw.uniform(0, following.seconds - mark.seconds)
            kills.append(Kill(stage, places.index(place) + 1, how, after))
    return kills


def trial(campaign: Campaign, name: str, draw: random.Random, most: int) -> dict[str, Any]:
    """Kill a command a few times, let it end, and compare; gives the line of the trial."""
    reference = campaign.reference(name)
    workspace = campaign.folder / "trial"
    shutil.rmtree(workspace, ignore_errors=True)
    kills, done, faults = [], None, []
    for kill in [*planned(SCENES[name], reference, draw, most), None]:
        done = campaign.start(name, workspace, kill)
        if "Traceback" in done.told:
            faults.append(f"traceback: {done.told[-1500:]}")
        if kill is not None:
            kills.append({**asdict(kill), "stage": done.stage, "killed": done.killed, "code": done.code})
        if done.code == 0 or (done.code > 0 and kill is None):
            break
    if done.code:
        faults.append(f"code {done.code}: {done.told[-1500:]}")
    faults += differences(contents(workspace), reference.contents)
    return {"scene": name, "kills": kills, "faults": faults}


def trials(
    campaign: Campaign, lines: Lines, seed: int, count: int, seconds: float, names: Sequence[str] = TURNS
) -> Iterator[dict[str, Any]]:
    """Yield trials until as many kills have hit; scenes take turns, and earlier lines count."""
    until = time.monotonic() + seconds
    while sum(map(_hits, lines.past)) < count and time.monotonic() < until:
        number = len(lines.past)
        name = names[number % len(names)]
        draw = random.Random(f"{seed} {number}")
        yield {
            "trial": number,
            "seed": seed,
            **trial(campaign, name, draw, min(count, 3 if SCENES[name].workers else 8)),
        }


def _hits(line: Mapping[str, Any]) -> int:
    return sum(kill["killed"] for kill in line["kills"])


def table(lines: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return the kills per stage and per way, and how many of them were followed by an equal end."""
    hows = {"time": "group, any instant", "file": "group, at a change of a file", "worker": "one worker process"}
    counts: Counter[tuple[str, str]] = Counter()
    equal: Counter[str] = Counter()
    for line in lines:
        for kill in line["kills"]:
            if kill["killed"]:
                counts[kill["stage"], kill["how"]] += 1
                equal[kill["stage"]] += not line["faults"]
    stages = [stage for stage in ("start", *ORDER, "end") if any(counts[stage, how] for how in hows)]
    rows = [[stage, *(str(counts[stage, how]) for how in hows), str(equal[stage])] for stage in stages]
    sums = [str(sum(counts[stage, how] for stage in stages)) for how in hows]
    return ["killed in", *hows.values(), "equal end"], [*rows, ["all", *sums, str(sum(equal.values()))]]


def summarize(lines: Sequence[Mapping[str, Any]], words: str) -> None:
    """Keep the table for docs/reliability.md."""
    scenes = Counter(line["scene"] for line in lines)
    ran = ", ".join(f"{name} {count}" for name, count in scenes.items())
    wrong = sum(bool(line["faults"]) for line in lines)
    last = f"Runs: {ran}. The end of {wrong} differs." if wrong else f"Runs: {ran}. The end of every run is equal."
    keep("kill", words, table(lines), last)


def main() -> int:
    """Run the campaign; gives 1 if an end differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no trial after these; go on later")
    parser.add_argument("--lines", type=Path, default=SCRATCH / "kill.jsonl")
    parser.add_argument("--folder", type=Path, default=SCRATCH / "kill", help="for datasets and workspaces")
    parser.add_argument("--scene", action="append", choices=list(SCENES), help="only this one; repeatable")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    lines = Lines(options.lines)
    with Server(options.folder) as server:
        campaign = Campaign(options.folder.resolve(), server)
        for line in trials(campaign, lines, options.seed, options.kills, options.seconds, options.scene or TURNS):
            lines.add(line)
            if line["faults"]:
                place = options.folder / f"failed-{line['trial']}"
                shutil.rmtree(place, ignore_errors=True)
                (options.folder / "trial").rename(place)
    if sum(map(_hits, lines.past)) >= options.kills:
        summarize(lines.past, f"python -m tests.torture.kill --kills {options.kills} --seed {options.seed}")
    return int(any(line["faults"] for line in lines.past))


if __name__ == "__main__":
    sys.exit(main())
