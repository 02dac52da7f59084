"""Print docs/reliability.md: `python -m tests.torture.page > docs/reliability.md`. Nothing in it is written by hand."""

from __future__ import annotations

from collections.abc import Iterator

from tests.torture.results import Kept, load
from tests.torture.sections import SECTIONS

HEAD = """# Reliability

Made by `python -m tests.torture.page > docs/reliability.md` from `tests/torture/results/`; not written by hand.
`make torture` runs every campaign in its long form, `make torture CAMPAIGNS="kill disk"` some. The suite runs a short
form of each."""
NOT_MEASURED = "not measured yet"


def page() -> str:
    """Return the whole page."""
    return "\n\n".join([HEAD, *_sections()]) + "\n"


def _sections() -> Iterator[str]:
    for name, section in SECTIONS.items():
        kept = load(name)
        yield f"## {section.title}\n\n{section.text}"
        if kept is None:
            yield f"{NOT_MEASURED}: `python -m tests.torture.{name}`"
        else:
            yield f"`{kept.command}`, {kept.date}, nnplug {kept.commit}, {kept.machine}."
            yield _table(kept)
            yield from kept.notes


def _table(kept: Kept) -> str:
    lines = [kept.columns, ["---"] * len(kept.columns), *kept.rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    print(page(), end="")
