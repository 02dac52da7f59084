"""The checks of `nnplug.contracts.Hub`. They fetch nothing, because a place of models is not everywhere."""

from __future__ import annotations

from functools import partial

from nnplug.contracts import Hub
from nnplug.errors import NnplugError
from nnplug.testing.check import Checks, ContractBroken, Subject, imports_no_torch


def _refuses(subject: Subject, *, reference: str) -> None:
    """Raise unless a hub refuses a reference by an error that users can mend."""
    hub: Hub = subject.create()
    try:
        found = hub.fetch(reference)
    except NnplugError:
        return
    raise ContractBroken(f"gave {found!r} for {reference!r}, which names no model; raise NnplugError")


CHECKS: Checks = {
    "refuses an empty reference": partial(_refuses, reference=""),
    "refuses a reference to nothing": partial(_refuses, reference="no such model"),
    "is imported without torch": imports_no_torch,
}
