"""docs/fast-measured.md from the records: nothing in it is written by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from quality.compare import Compared, Group, compare_all
from quality.datasets import Part
from quality.figures import found_at, interval, spread
from quality.recipes import CHANGED, FAST, LEVERS, OURS, THEIRS, Recipe
from quality.records import Paces, Trained
from quality.trainings import FOUND, START_LIMIT
from quality.wanted import length_of

HEAD = """# Faster recipes, measured

Made by `bench/quality_run.py tables` from `bench/results/quality/`; not written by hand.

Both sides train from scratch on the same cases, and predict whole images that training never saw: windows at half their
size, no mirroring, one scorer. Dice is the mean over classes of the mean over cases; a figure is the median of the
trainings, one per seed, with the range. Dice depends on iterations alone, so trainings may run on a busy machine.
Seconds are iterations times the seconds of one, which are measured apart on quiet cores, with the share of validation
batches that nnU-Net has. Preprocessing and the prediction of whole images are not counted. Choices are made on
validation cases; test cases are scored once, at the end."""
LEVERS_NOTE = """Equal compute: as many iterations as the default has, fewer or more if one costs more or less. Dice is
that of validation cases at the end. The difference is that of the means over the cases, each case the mean over the
seeds that both have; the interval is a bootstrap of the cases. What does not help is listed too."""
CHANGED_NOTE = "As above, beside the recipe at its own length."
STARTS_NOTE = f"""The iteration after which every class has a pseudo Dice above {FOUND}, looked at every 5 iterations,
for {START_LIMIT} iterations at most of the schedule of a training of some iterations. The spread is the last of the
seeds less the first."""
RECIPES = (THEIRS.name, OURS.name, FAST.name)
NOTHING = "Nothing is measured yet."
Line = tuple[str, ...]


def page(records: Sequence[Trained], machines: Mapping[str, Paces], title: str | None) -> str:
    """Return the page, with times for the machine `title`."""
    parts = [HEAD, "## Against nnunetv2", against(records, machines, title, "test")]
    parts += ["### The same on validation cases", against(records, machines, title, "validation")]
    parts += ["## One lever at a time", LEVERS_NOTE, ablation(records, machines, title, OURS, LEVERS)]
    parts += ["## The recipe with one thing changed", CHANGED_NOTE, ablation(records, machines, title, FAST, CHANGED)]
    parts += ["## When every class is found", STARTS_NOTE, starts(records)]
    return "\n\n".join(parts) + "\n"


def against(records: Sequence[Trained], machines: Mapping[str, Paces], title: str | None, part: Part) -> str:
    """Return the table of nnunetv2, the default and the recipes: those that are scored on a part."""
    shown = [record for record in records if record.recipe in RECIPES]
    found = compare_all(shown, machines, title, part)
    if not found:
        return NOTHING
    times = "No time is measured yet." if title is None else f"Times are those of {title}."
    for other in sorted({one.pace.scaled for one in found if one.pace is not None and one.pace.scaled is not None}):
        times += f" Those with * are scaled from {other} by a fixed step that both machines computed."
    columns = (
        "dataset",
        "training",
        "iterations",
        "seeds",
        f"Dice, {part}",
        "minutes",
        "time ratio",
        "Dice over nnunetv2's",
    )
    note = "The time ratio is the time at which a curve has nnunetv2's last Dice over nnunetv2's whole time."
    return "\n\n".join([f"{times} {note}", _table(columns, [_line_of(one) for one in found])])


def _line_of(one: Compared) -> Line:
    ratio = one.told_ratio + (_star(one) if one.ratio is not None else "")
    return (*_title(one.group), spread(one.final), _minutes(one), ratio, _difference(one.difference))


def _minutes(one: Compared) -> str:
    return "not measured yet" if one.seconds is None else f"{one.seconds / 60:.1f}{_star(one)}"


def _star(one: Compared) -> str:
    return "*" if one.pace is not None and one.pace.scaled is not None else ""


def _title(group: Group) -> Line:
    """Return dataset, recipe, iterations and seeds."""
    recipe = group.recipe if group.device == "cpu" else f"{group.recipe}, {group.device}"
    return group.dataset, recipe, str(group.iterations), str(len(group.records))


def _difference(values: tuple[float, float, float] | None) -> str:
    return "" if values is None else "{:+.4f} ({:+.4f} to {:+.4f})".format(*values)


def ablation(
    records: Sequence[Trained],
    machines: Mapping[str, Paces],
    title: str | None,
    base: Recipe,
    changes: Sequence[Recipe],
) -> str:
    """Return the table of the changes that are compared with their base."""
    found = compare_all(records, machines, title, "validation")
    lines = [line for one in found if one.group.recipe == base.name for line in _beside(one, changes, found)]
    columns = ("dataset", "lever", "iterations", "seeds", "Dice, validation", "minutes", "difference")
    return _table(columns, lines) or NOTHING


def _beside(base: Compared, changes: Sequence[Recipe], found: Sequence[Compared]) -> Iterator[Line]:
    """Yield the base's line and those of the changes with as much compute; nothing if there is none."""
    own = base.group
    lengths = {one.name: length_of(own.iterations, one) for one in changes if one.name != own.recipe}
    like_it = [
        one
        for one in found
        if (one.group.dataset, one.group.device) == (own.dataset, own.device)
        and lengths.get(one.group.recipe) == one.group.iterations
    ]
    if like_it:
        yield (*_title(own), spread(base.final), _minutes(base), "")
    for one in sorted(like_it, key=lambda one: -median(one.final)):
        differences = one.group.with_seeds_of(own).case_differences(own.with_seeds_of(one.group), "validation")
        mean = sum(differences) / len(differences)
        yield (*_title(one.group), spread(one.final), _minutes(one), _difference((mean, *interval(differences))))


def starts(records: Sequence[Trained]) -> str:
    """Return the table of the starts."""
    by_recipe: dict[tuple[str, str, int], list[int | None]] = {}
    for record in records:
        if not record.points:
            by_recipe.setdefault((record.dataset, record.recipe, record.iterations), []).append(
                found_at(record.epochs, FOUND)
            )
    lines = []
    for (dataset, recipe, length), found in sorted(by_recipe.items()):
        known = [value for value in found if value is not None]
        late = f", {len(found) - len(known)} later than {START_LIMIT}" if len(known) < len(found) else ""
        width = str(max(known) - min(known)) if known else ""
        lines.append((dataset, recipe, str(length), str(len(found)), spread(known, "{:.0f}") + late, width))
    return _table(("dataset", "recipe", "schedule", "seeds", "iteration", "spread"), lines) or NOTHING


def _table(columns: Line, lines: Sequence[Line]) -> str:
    """Return a table; empty without lines."""
    rows = [columns, ("---",) * len(columns), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) if lines else ""
