"""The conformance kit, which checks whether a component keeps the contract of its kind.

`checks(entry, registry)` returns the checks of a component. Each check creates the component and tests it on tiny
synthetic data within seconds. `checks_of(plugins, name)` returns the checks of a whole plugin. `nnplug plugins check
NAME` runs them; `nnplug.testing.pytest` makes test cases of them. A check that cannot be done is skipped, not passed.
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
