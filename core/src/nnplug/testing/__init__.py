"""The conformance kit: does a component keep the contract of its kind?

`checks(entry, registry)` gives a component's checks, each of which builds the component and exercises it on tiny
synthetic data within seconds; `checks_of(plugins, name)` those of a whole plugin. `nnplug plugins check NAME` runs
them; `nnplug.testing.pytest` makes test cases of them.
"""

from nnplug.testing.check import Check, ContractBroken, Subject, require
from nnplug.testing.kit import checks, checks_of, entries_of

__all__ = ["Check", "ContractBroken", "Subject", "checks", "checks_of", "entries_of", "require"]
