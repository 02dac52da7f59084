"""Damage 1000 files: `python -m tests.torture.damage`; `--only N` repeats one input."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.torture.damage.forked import Outcome, import_all, run_apart, run_forked
from tests.torture.damage.judge import faults, listing
from tests.torture.damage.scene import make_scene, write_formats
from tests.torture.damage.targets import Target, formats, targets
from tests.torture.results import SCRATCH, Lines, keep

APART = 40
"""One input of this number goes through the installed command in a process of its own."""
SECONDS = 60


@dataclass(frozen=True)
class Campaign:
    """The inputs of a campaign.

    Attributes:
        seed: decides every input.
        scene: the files to damage.
        failing: the folder that keeps the inputs that fail.
        targets: what is damaged.
    """

    seed: int
    scene: Path
    failing: Path
    targets: Sequence[Target]

    def trial(self, number: int) -> dict[str, object]:
        """Damage a file, run a command that reads it, and return what was seen; a failing input is kept."""
        rng = Random(f"{self.seed} {number}")
        target = self._drawn(rng)
        line = rng.choice(target.commands)
        with tempfile.TemporaryDirectory(dir=self.scene.parent) as temporary:
            folder = Path(temporary) / "s"
            shutil.copytree(self.scene, folder, symlinks=True)
            damaged = folder / target.file
            damaged.write_bytes(target.damage(damaged.read_bytes(), rng))
            if target.sealed and rng.random() < 0.7:
                _seal(damaged, folder / "bundle")
            before = listing(folder)
            run = run_apart if number % APART == 0 else run_forked
            outcome = run(line.split(), folder, limit=SECONDS)
            wrong = list(faults(target, line, outcome, before, folder))
            if wrong:
                self._keep(number, target, line, outcome, damaged)
        seen = {"code": outcome.code, "seconds": round(outcome.seconds, 2), "grown_mb": outcome.grown >> 20}
        return {"number": number, "kind": target.kind, "file": target.file, "line": line, "wrong": wrong, **seen}

    def _drawn(self, rng: Random) -> Target:
        """Draw a kind, then a file of it: kinds with many files are not damaged more often."""
        kind = rng.choice(sorted({target.kind for target in self.targets}))
        return rng.choice([target for target in self.targets if target.kind == kind])

    def _keep(self, number: int, target: Target, line: str, outcome: Outcome, damaged: Path) -> None:
        place = self.failing / f"{self.seed}-{number:04d}"
        place.mkdir(parents=True, exist_ok=True)
        if damaged.exists():
            shutil.copy2(damaged, place / damaged.name)
        (place / "command.txt").write_text(f"{target.file}\n{line}\nexit code {outcome.code}\n")
        (place / "seen.txt").write_text(outcome.stdout + outcome.stderr)


def _seal(damaged: Path, bundle: Path) -> None:
    """Write the hash of a damaged file into the bundle, as somebody who changes a bundle would."""
    index = bundle / "bundle.json"
    content = json.loads(index.read_bytes())
    content["sha256"][damaged.relative_to(bundle).as_posix()] = hashlib.sha256(damaged.read_bytes()).hexdigest()
    index.write_text(json.dumps(content))


def trials(campaign: Campaign, numbers: Iterable[int], lines: Lines) -> int:
    """Run trials and give the number of those that failed."""
    return sum(bool(_added(lines, campaign.trial(number))) for number in numbers)


def _added(lines: Lines, trial: dict[str, object]) -> object:
    lines.add(trial)
    return trial["wrong"]


def table(lines: Iterable[dict[str, object]]) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows: per kind the inputs, how many were refused, accepted and treated wrongly."""
    heads = ["damaged file", "inputs", "refused with a line", "accepted", "failures", "most seconds", "most MB"]
    kinds: dict[str, list[dict[str, object]]] = {}
    for one in lines:
        kinds.setdefault(str(one["kind"]), []).append(one)
    rows = []
    for kind, own in sorted(kinds.items()):
        codes, wrong = Counter(one["code"] for one in own), sum(bool(one["wrong"]) for one in own)
        most = [
            f"{max(float(str(one[key])) for one in own):.{digits}f}"
            for key, digits in (("seconds", 1), ("grown_mb", 0))
        ]
        rows.append([kind, *map(str, (len(own), codes[1], codes[0], wrong)), *most])
    return heads, rows


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaign; the exit code is 1 if an input failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.damage", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--only", type=int, help="run this input alone")
    parser.add_argument("--kind", help="only targets whose kind holds this text")
    parser.add_argument("--formats", action="store_true", help="only images and what needs no trained model")
    parser.add_argument("--folder", type=Path, default=SCRATCH / "damage", help="the scene and the failing inputs")
    parser.add_argument("--lines", type=Path, default=SCRATCH / "damage.jsonl")
    chosen = parser.parse_args(words)
    print(f"seed {chosen.seed}", flush=True)
    os.environ.update(OMP_NUM_THREADS="1", NNPLUG_WORKSPACE="w")
    scene = chosen.folder / "scene"
    (write_formats if chosen.formats else make_scene)(scene)
    own = [target for target in (formats() if chosen.formats else targets()) if (chosen.kind or "") in target.kind]
    import_all(_undamaged(own), scene)
    campaign = Campaign(chosen.seed, scene, chosen.folder / "failing", own)
    lines = Lines(chosen.lines)
    done = {one["number"] for one in lines.past if one.get("seed", chosen.seed) == chosen.seed}
    numbers = [chosen.only] if chosen.only is not None else [n for n in range(chosen.inputs) if n not in done]
    failed = trials(campaign, numbers, lines)
    if chosen.only is None and chosen.kind is None and not chosen.formats:
        command = f"python -m tests.torture.damage --seed {chosen.seed} --inputs {chosen.inputs}"
        keep("damage", command, table(lines.past))
    return int(failed > 0)


def _undamaged(own: Sequence[Target]) -> list[str]:
    return sorted({line for target in own for line in target.commands})


if __name__ == "__main__":
    sys.exit(main())
