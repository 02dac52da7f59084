"""Measure Dice of whole unseen images against time: `.venv/bin/python bench/quality_run.py WHAT`.

WHAT is comparison (nnunetv2 and nnplug, three seeds a side), recipes (fast ones at several lengths, on validation
cases), final (the same on test cases: when all choices are made), ablation (one lever at a time), changes (the fast
recipe with one thing changed), starts (when every class is found), one (--dataset, --recipe, --iterations, --seed),
pace (seconds of an iteration, on quiet cores), list (what is missing) or tables (makes docs/fast-measured.md from the
records). Every training is kept as a small file as soon as it has ended, for the row `quality` of bench/run.py. Stop it
whenever you like: the same command goes on. In the background: `nice -n 19`, with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
sys.path.insert(0, str(BENCH))

from harness.results import MachineFacts, own_versions, peer_versions  # noqa: E402 - the folder of this script is no package
from harness.session import Died, adopt_orphans, end_by_exception  # noqa: E402
from quality.datasets import DATASETS, PARTS, dataset  # noqa: E402
from quality.pace import Busy, measure_pace  # noqa: E402
from quality.recipes import RECIPES  # noqa: E402
from quality.records import Store, pace_key  # noqa: E402
from quality.tables import page  # noqa: E402
from quality.trainings import POINTS, Training  # noqa: E402
from quality.wanted import ablation, changes, comparison, final, recipes, starts  # noqa: E402
from quality.work import Bench, Wanted, do, left  # noqa: E402

from nnplug.errors import NnplugError  # noqa: E402
from nnplug.runtime.files import write_text  # noqa: E402

PAGE = ROOT / "docs" / "fast-measured.md"
LISTS: Mapping[str, Callable[[str], list[Wanted]]] = {
    "comparison": comparison,
    "recipes": recipes,
    "final": final,
    "ablation": ablation,
    "changes": changes,
    "starts": starts,
}


def main() -> None:
    """See above."""
    options = _parser().parse_args()
    adopt_orphans()
    end_by_exception()
    bench = _bench(options)
    try:
        _WHAT.get(options.what, _measure)(options, bench)
    except (Died, Busy) as reason:
        sys.exit(str(reason))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[*LISTS, "one", "pace", "list", "tables"])
    parser.add_argument("--dataset", choices=[data.name for data in DATASETS])
    parser.add_argument("--side", choices=["ours", "theirs"])
    parser.add_argument("--recipe", choices=list(RECIPES))
    parser.add_argument("--seed", type=int)
    parser.add_argument("--iterations", type=int, help="of `one` [default: those of the dataset]")
    parser.add_argument("--points", type=int, default=POINTS, help="times that weights of `one` are kept and scored")
    parser.add_argument("--test", action="store_true", help="score `one` on test cases too: when all choices are made")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--limit-minutes", type=float, help="stop then, in the middle of a training too")
    parser.add_argument("--peer", type=Path, default=BENCH / ".venv" / "bin" / "python", help="a Python with nnunetv2")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="the folder of real data")
    parser.add_argument("--results", type=Path, default=BENCH / "results" / "quality", help="where records are kept")
    parser.add_argument("--scratch", type=Path, default=BENCH / "scratch" / "quality", help="where weights are kept")
    return parser


def _bench(options: argparse.Namespace) -> Bench:
    peer = options.peer.absolute() if options.peer.exists() else None
    return Bench(
        store=Store(options.results),
        scratch=options.scratch.absolute(),
        data=(options.shared / "data").resolve(),
        peer=peer,
        machine=MachineFacts.here().title,
        versions={**own_versions(ROOT), **{f"peer {k}": v for k, v in peer_versions(peer).items()}},
        say=partial(print, flush=True),
    )


def _measure(options: argparse.Namespace, bench: Bench) -> None:
    """Do what is missing of a list until the limit of time; a training that fails is told, and the next one begun."""
    limit = options.limit_minutes
    deadline = None if limit is None else time.monotonic() + 60 * limit
    failed = []
    for wanted in left(_chosen(options), bench.store):
        if deadline is not None and time.monotonic() >= deadline:
            break
        try:
            do(wanted, bench, deadline)
        except (Died, NnplugError) as reason:
            failed.append(str(reason))
            print(f"{wanted.training.name}: {reason}", flush=True)
    missing = left(_chosen(options), bench.store)
    print(f"{len(missing)} trainings are missing; the same command goes on" if missing else "all of it is measured")
    if failed:
        raise Died(f"{len(failed)} trainings failed")


def _chosen(options: argparse.Namespace) -> list[Wanted]:
    """Return the trainings that are asked for."""
    if options.what == "one":
        if options.dataset is None or options.recipe is None:
            sys.exit("`one` needs --dataset and --recipe")
        data = dataset(options.dataset)
        length, seed = options.iterations or data.iterations, options.seed or 0
        training = Training(data, RECIPES[options.recipe], length, seed, options.device, kept=options.points)
        return [Wanted(training, PARTS if options.test else PARTS[:1])]
    listed = [LISTS[options.what]] if options.what in LISTS else [*LISTS.values()]
    if options.what == "pace" and options.recipe is None:
        listed = [comparison, recipes]  # levers cost what the default does, unless one is asked for
    return [one for make in listed for one in make(options.device) if _is_asked_for(one.training, options)]


def _is_asked_for(training: Training, options: argparse.Namespace) -> bool:
    return (
        options.dataset in (None, training.data.name)
        and options.side in (None, training.recipe.side)
        and options.recipe in (None, training.recipe.name)
        and options.seed in (None, training.seed)
    )


def _list(options: argparse.Namespace, bench: Bench) -> None:
    """Print the state of every training."""
    for wanted in _chosen(options):
        record = bench.store.find(wanted.training)
        missing = [f"{len(record.missing(part))} {part}" for part in wanted.parts if record and record.missing(part)]
        state = "missing" if record is None else f"scores missing: {', '.join(missing)}" if missing else "there"
        print(f"{wanted.training.name:<60} {state}")


def _pace(options: argparse.Namespace, bench: Bench) -> None:
    """Measure the pace of each recipe on each dataset once."""
    os.environ.pop("OMP_NUM_THREADS", None)  # for trainings in the background; a pace is that of all cores
    machine = MachineFacts.here()
    known = set(there.paces) if (there := bench.store.machines().get(machine.title)) else set()
    for training in _one_each(_chosen(options)):
        key = pace_key(training.data.name, training.recipe.name, training.device)
        if key in known and options.recipe is None:
            continue
        pace = measure_pace(training, bench)
        bench.store.keep_pace(machine, key, pace)
        known.add(key)
        seconds = ", ".join(f"{second:.3f}" for second in pace.seconds)
        print(f"{key}: {seconds} s; the fixed step {pace.yard[0]:.3f} and {pace.yard[1]:.3f} s", flush=True)


def _one_each(wanted: Sequence[Wanted]) -> list[Training]:
    """Return one training of each dataset and recipe."""
    found = {(one.training.data.name, one.training.recipe.name): one.training for one in reversed(wanted)}
    return list(reversed(found.values()))


def _tables(options: argparse.Namespace, bench: Bench) -> None:  # noqa: ARG001 - one of several
    """Write the page, with times for the machine that has most paces."""
    write_text(PAGE, measured_page(bench.store))
    print(f"page: {PAGE}")


def measured_page(store: Store) -> str:
    """Return the page of the records in a store."""
    machines = store.machines()
    title = max(machines, key=lambda name: (len(machines[name].paces), name), default=None)
    return page([record for _, record in store.trained()], machines, title)


_WHAT = {"list": _list, "pace": _pace, "tables": _tables}


if __name__ == "__main__":
    main()
