"""Labels and regions of a dataset, their order, and the ignore label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from nnplug.dataset.label_faults import IGNORE, declared_values, label_faults
from nnplug.errors import InvalidDescription, InvalidFile, Problems, closest, within

__all__ = ["BACKGROUND", "IGNORE", "Labels"]

BACKGROUND = (0,)


@dataclass(frozen=True)
class Labels:
    """The checked `labels` of `dataset.json`.

    Attributes:
        values: name -> label values, in the order of the file, with the background and without the ignore label.
        regions_class_order: one label value per region; a voxel in several regions gets the value of the last one.
            None without regions.
        ignore: the value of voxels without annotation, or None.
        bare: names whose value in the file is a number instead of a list; the keys of `summary.json` depend on it.
    """

    values: Mapping[str, tuple[int, ...]]
    regions_class_order: tuple[int, ...] | None = None
    ignore: int | None = None
    bare: frozenset[str] = frozenset()

    @classmethod
    def from_data(cls, raw: Any, regions_class_order: Any, where: str) -> Self:
        """Return the labels made from `labels` and `regions_class_order` of `dataset.json`.

        Raises:
            InvalidFile: values are not consecutive from 0, the ignore label is not the highest, or regions lack
                an order; a line per fault, which names `where`.
        """
        if faults := label_faults(raw):
            raise InvalidDescription([within(f"{where}: ", line) for line in faults])
        values = {name: declared_values(value) or () for name, value in raw.items()}
        ignore = values.pop(IGNORE, None)
        bare = frozenset(name for name in values if not isinstance(raw[name], list))
        labels = cls(values, None, ignore[0] if ignore else None, bare)
        return replace(labels, regions_class_order=_order(regions_class_order, labels, where))

    @property
    def code(self) -> tuple[object, ...]:
        """The numbers that a network learns; names may change without a new training."""
        values = tuple(self.values.values())
        return values if self.has_regions else tuple(sorted(values)), self.regions_class_order, self.ignore

    @property
    def by_output(self) -> Self:
        """The same labels in the order of a network's outputs: regions as in `dataset.json`, classes by value."""
        if self.has_regions:
            return self
        return replace(self, values=dict(sorted(self.values.items(), key=lambda named: named[1])))

    @property
    def has_regions(self) -> bool:
        """Return whether outputs are overlapping regions (sigmoid) rather than classes (softmax)."""
        return any(len(v) > 1 for v in self.values.values())

    @property
    def foreground(self) -> tuple[tuple[int, ...], ...]:
        """The label values of each foreground class or region, in the order of `dataset.json`."""
        return tuple(v for v in self.values.values() if v != BACKGROUND)

    @property
    def foreground_names(self) -> tuple[str, ...]:
        """The names of the foreground classes or regions, in the same order."""
        return tuple(name for name, v in self.values.items() if v != BACKGROUND)

    @property
    def all_values(self) -> tuple[int, ...]:
        """All label values in ascending order, with the background and without the ignore label."""
        return tuple(sorted({value for v in self.values.values() for value in v}))

    @property
    def foreground_values(self) -> tuple[int, ...]:
        """All label values above 0 without the ignore label; each is an input channel of a cascade's next stage."""
        return self.all_values[1:]

    @property
    def outputs(self) -> int:
        """The number of channels of a network's logits: foreground regions, or classes and the background."""
        return len(self.foreground) if self.has_regions else len(self.all_values)

    @property
    def entries(self) -> int:
        """The number of entries of `labels`, with background and ignore; nnU-Net's planner counts them as heads."""
        return len(self.values) + (self.ignore is not None)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of `summary.json`: one per class ("1") or region ("(1, 2, 3)", "(3,)"; "3" if it is in `bare`)."""
        listed = (self.has_regions and name not in self.bare for name in self.foreground_names)
        return tuple(str(v) if as_list else str(v[0]) for v, as_list in zip(self.foreground, listed, strict=True))

    def only(self, names: Sequence[str]) -> Self:
        """Return the background and some foreground classes or regions, in the order of `dataset.json`.

        Args:
            names: names of foreground classes or regions.

        Raises:
            Problems: there is no such class or region; a line for each name, with the closest names.
        """
        known = self.foreground_names
        if unknown := [name for name in dict.fromkeys(names) if name not in known]:
            raise Problems([_no_such_class(name, known) for name in unknown])
        values = {name: own for name, own in self.values.items() if own == BACKGROUND or name in names}
        has_regions = any(len(own) > 1 for own in values.values())
        order = self.regions_class_order if has_regions else None
        kept = None if order is None else tuple(v for name, v in zip(known, order, strict=True) if name in names)
        return replace(self, values=values, regions_class_order=kept, bare=self.bare & values.keys())


def _no_such_class(name: str, known: Sequence[str]) -> str:
    close = closest(name, known)
    listed = ", ".join(map(repr, close or known[:_LISTED]))
    more = f" and {len(known) - _LISTED} more" if not close and len(known) > _LISTED else ""
    return f"{name!r} is no class or region of the model; {'closest are' if close else 'it has'} {listed}{more}"


_LISTED = 10
"""The largest number of names in a message."""


def _order(order: Any, labels: Labels, where: str) -> tuple[int, ...] | None:
    if not labels.has_regions:
        return None
    expected = len(labels.foreground)
    if not isinstance(order, list) or len(order) != expected or not all(isinstance(v, int) for v in order):
        raise InvalidFile(
            f"{where}: 'regions_class_order' is {order!r}; labels with regions need one value for each of the "
            f"{expected} foreground regions"
        )
    return tuple(order)
