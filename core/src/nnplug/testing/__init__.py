"""The conformance kit: does a component keep the contract of its kind?

`checks(entry, registry)` gives a component's checks, each of which builds the component and exercises it on tiny
synthetic data within seconds; `checks_of(plugins, name)` those of a whole plugin. `nnplug plugins check NAME` runs
them; `nnplug.testing.pytest` makes test cases of them. A check that could not be tried is skipped, never passed.
"""

from nnplug.testing.check import Check, ContractBroken, NotChecked, State, Subject, Verdict, require
from nnplug.testing.kit import checks, checks_of, entries_of

__all__ = [
    "Check",
    "ContractBroken",
    "NotChecked",
    "State",
    "Subject",
    "Verdict",
    "checks",
    "checks_of",
    "entries_of",
    "require",
]
