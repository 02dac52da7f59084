"""docs/benchmarks.md from the results: nothing in it is written by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from harness.measure import Result
from harness.results import Measured, Results
from harness.row import Case, Goal, Row

NOT_MEASURED = "not measured yet"
HEAD = """# Benchmarks

Made by `bench/run.py` from `bench/results/`; not written by hand. `make bench` measures every row on this machine and
makes this page again, `make bench-quick` only shows that every row runs.

nnplug and its peer run on the same data in turns; a figure is the median of its rounds, a ratio (nnplug / peer) the
median of the ratios of the pairs: below 1, nnplug is faster or smaller. Memory is what the work takes on top of its
inputs for functions, and the sum over all processes for whole commands. A result during which other programs used more
than 5 % of the cores does not count."""
COLUMNS = ("", "what", "nnplug", "peer", "ratio", "goal", "met", "measured")
UNITS: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "alone_seconds": ("wall time alone", lambda v: f"{v:.3g} s"),
    "seconds": ("wall time", lambda v: f"{v:.3g} s"),
    "reach_seconds": ("time to the peer's last Dice", lambda v: f"{v:.3g} s"),
    "slowdown": ("times as long as alone", lambda v: f"{v:.2f}"),
    "cpu_seconds": ("CPU time", lambda v: f"{v:.3g} s"),
    "extra_bytes": ("memory on top", lambda v: f"{v / 1e9:.3f} GB"),
    "peak_bytes": ("memory", lambda v: f"{v / 1e9:.2f} GB"),
    "wait_share": ("waiting for data", lambda v: f"{v:.1%}"),
    "dice": ("Dice", lambda v: f"{v:.4f}"),
    "lead": ("smallest lead in Dice", lambda v: f"{v:+.3f}"),
    "agreement": ("voxels that agree", lambda v: f"{v:.4%}"),
}
"""How quantities are called and written; others are not shown."""


def page(rows: Mapping[str, Row], machines: Sequence[Results], plots: Mapping[str, str]) -> str:
    """The whole page; `plots` are captions by the links to their files."""
    parts = [HEAD]
    for results in machines:
        parts += [f"## {results.machine.title}", _environment(results), _table(rows, results)]
        if missed := list(_missed(rows, results)):
            parts += ["### Goals that are missed, and why", "\n".join(missed)]
    if not machines:
        parts += ["## No machine yet", "No row was measured on a quiet machine yet.", _table(rows, None)]
    notes = [f"- **{row.title}**: {row.note}" for row in rows.values() if row.note]
    parts += ["## How to read the rows", "\n".join(notes)]
    parts += [f"![{caption}]({link})" for link, caption in plots.items()]
    return "\n\n".join(parts) + "\n"


def lines_of(row: Row, case: Case, result: Result | None, rehearsed: str | None = None) -> Iterator[tuple[str, ...]]:
    """The table's lines of a case: one per quantity, one where nothing was measured."""
    why = _why_not(result)
    if why is not None and rehearsed is not None:
        why += f"; the same code ran through on its CPU, small ({rehearsed})"
    if result is None or why is not None:
        wanted = "; ".join(_goal(goal) for goal in case.goals)
        yield (case.name, "", why or NOT_MEASURED, "", "", wanted, "", _date(result))
        return
    for quantity, (called, written) in UNITS.items():
        goals = [goal for goal in case.goals if goal.quantity == quantity]
        figure = result.figure(quantity)
        if figure is not None and (goals or quantity in _shown(case)):
            peer, ratio = result.peer_figure(quantity), result.ratio(quantity)
            theirs = _theirs(row, result, peer, written)
            met = ", ".join(_met(goal, figure, ratio) for goal in goals)
            share = "" if ratio is None else f"{ratio:.3g}"
            wanted = "; ".join(_goal(goal) for goal in goals)
            yield (case.name, called, written(figure), theirs, share, wanted, met, _date(result))


def _shown(case: Case) -> tuple[str, ...]:
    """Return the quantities to show without a goal: times, Dice, and whether results agree; memory needs a goal."""
    about_cpu = any(goal.quantity == "cpu_seconds" for goal in case.goals)
    return ("agreement", "dice", "reach_seconds", "cpu_seconds" if about_cpu else "seconds")


def _why_not(result: Result | None) -> str | None:
    if result is None:
        return NOT_MEASURED
    if result.unmeasured is not None:
        return f"{NOT_MEASURED}: {result.unmeasured}"
    if result.pending:
        return f"{NOT_MEASURED}: of its two sides, which take turns of many minutes, {len(result.pending)} is missing"
    if result.is_disturbed:
        return f"{NOT_MEASURED}: the machine was busy with other work ({result.disturbance:.0%} of its cores)"
    return None


def _theirs(row: Row, result: Result, peer: float | None, written: Callable[[float], str]) -> str:
    if peer is not None:
        return written(peer)
    return f"{row.peer} did not run: {result.peer_absent}" if result.peer_absent else ""


def _goal(goal: Goal) -> str:
    called, written = UNITS[goal.quantity]
    bound = "at least" if goal.at_least else "at most"
    figure = f"{goal.limit:.3g}" if goal.of == "ratio" else written(goal.limit)
    return f"{called} {'ratio ' if goal.of == 'ratio' else ''}{bound} {figure}"


def _met(goal: Goal, figure: float, ratio: float | None) -> str:
    value = ratio if goal.of == "ratio" else figure
    return "?" if value is None else "yes" if goal.is_met(value) else "**no**"


def _missed(rows: Mapping[str, Row], results: Results) -> Iterator[str]:
    """A line for each case with a goal that is missed."""
    for name, row in rows.items():
        for case in row.cases:
            found = results.find(name, case.name)
            if found is None or not found.result.counts:
                continue
            values = [
                (g, (found.result.ratio if g.of == "ratio" else found.result.figure)(g.quantity)) for g in case.goals
            ]
            if short := [f"{v:.3g} ({_goal(g)})" for g, v in values if v is not None and not g.is_met(v)]:
                yield f"- **{row.title}, {case.name}**: {', '.join(short)}. {case.missed or 'Why is not known.'}"


def _date(result: Result | None) -> str:
    return "" if result is None else result.date[:10]


def _environment(results: Results) -> str:
    """System and versions; several where rows were measured with different ones."""
    measured = [m for cases in results.rows.values() for m in cases.values()]
    own = _several(measured, lambda m: m.versions)
    peers = _several(measured, lambda m: m.peer_versions)
    return f"{results.machine.system}. nnplug: {own or 'no result'}. Peers: {peers or 'none'}."


def _several(measured: Sequence[Measured], versions: Callable[[Measured], Mapping[str, str]]) -> str:
    texts = dict.fromkeys(", ".join(f"{k} {v}" for k, v in versions(m).items()) for m in measured)
    return "; ".join(text for text in texts if text)


def _table(rows: Mapping[str, Row], results: Results | None) -> str:
    """Return the table of a machine, and a line that names the rows without a result there."""
    here = {name: row for name, row in rows.items() if results is None or _has_run(results, name)}
    lines = [_line(COLUMNS), _line(["---"] * len(COLUMNS))]
    for name, row in here.items():
        lines.append(_line([f"**{row.title}** (`{name}`, against {row.peer if row.theirs else 'nobody'})"]))
        for case in row.cases:
            found = results.find(name, case.name) if results else None
            rehearsed = results.rehearsed.get(name, {}).get(case.name) if results else None
            lines += [_line(line) for line in lines_of(row, case, found.result if found else None, rehearsed)]
    if missing := [f"`{name}`" for name in rows if name not in here]:
        lines += ["", f"Rows that were not measured on this machine yet: {', '.join(missing)}."]
    return "\n".join(lines)


def _has_run(results: Results, row: str) -> bool:
    return bool(results.rows.get(row) or results.rehearsed.get(row))


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
