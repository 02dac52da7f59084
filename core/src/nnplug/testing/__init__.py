"""The conformance kit: does a component keep the contract of its kind?

`checks(entry, registry)` gives a component's checks, each of which builds the component and exercises it on tiny
synthetic data within seconds. `nnplug plugins check NAME` runs them; `nnplug.testing.pytest` makes test cases of them.
"""

from nnplug.testing.check import Check, ContractBroken, Subject, require
from nnplug.testing.kit import checks, entries_of

__all__ = ["Check", "ContractBroken", "Subject", "checks", "entries_of", "require"]
