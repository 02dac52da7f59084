"""Choose the reader of a file: the one of the dataset, the one that the user names, or else by the file's ending."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Self, cast

from nnplug.errors import AmbiguousComponent, InvalidFile, UnknownComponent, did_you_mean
from nnplug.io.reader import FolderReader, ImageWriter, LabelReader, Reader, SidecarReader
from nnplug.registry import builtin
from nnplug.registry.components import Entry, Registry, Source, TypedKind
from nnplug.registry.loader import CORE
from nnplug.registry.reader_entry import ReaderComponent
from nnplug.remedies import Action, Names

READER = TypedKind[ReaderComponent, Reader](ReaderComponent)
ReaderEntry = Entry[ReaderComponent, Reader]


@dataclass(frozen=True)
class Readers:
    """The readers that files may be read with. It is picklable and imports no reader before a file is read.

    Attributes:
        entries: the readers.
        preferred: the name of the reader for all files that it reads, such as that of a dataset; empty if there is
            none. Other files are read by the reader whose entry says `implied=True`, or else by the only reader of
            their ending.
    """

    entries: tuple[ReaderEntry, ...]
    preferred: str = ""

    @classmethod
    def of(cls, registry: Registry) -> Self:
        """Return all readers that the plugins offer; that of the core is among them, whichever plugins are blocked."""
        found = [cast("ReaderEntry", e) for e in registry if isinstance(e.component, ReaderComponent)]
        own = () if any(entry.component.implied for entry in found) else core_readers().entries
        return cls((*own, *found))

    @property
    def endings(self) -> tuple[str, ...]:
        """The file endings that datasets can have, in lower case with the leading dot."""
        return _distinct(ending for entry in self._ordered() for ending in entry.component.endings)

    @property
    def all_endings(self) -> tuple[str, ...]:
        """All endings that can be read: `endings`, and those of files that are read and never written."""
        return _distinct((*self.endings, *(e for entry in self._ordered() for e in entry.component.reads_also)))

    def ending(self, path: Path) -> str | None:
        """Return the ending of an image file in lower case, such as ".nii.gz"; None for files that no reader reads."""
        name = path.name.lower()
        return next((ending for ending in self._fitting if name.endswith(ending)), None)

    def entry(self, path: Path) -> ReaderEntry:
        """Return the reader of a file.

        Raises:
            InvalidFile: no reader reads files with this ending.
            AmbiguousComponent: several readers do, and neither a dataset nor the user names one.
        """
        ending = self.ending(path)
        if ending is None:
            raise InvalidFile(f"{path}: no image that nnplug reads; it {self.known_endings}", Action.INSTALL_READER())
        return _only(self._fitting[ending], path)

    def get(self, path: Path) -> Reader:
        """Return the reader of a file; it raises as `entry` and `Entry.create` do."""
        entry = self.entry(path)
        if entry.name not in self._created:
            self._created[entry.name] = entry.create()
        return self._created[entry.name]

    def label_reader(self, path: Path) -> LabelReader | None:
        """Return the reader of a file if it reads label maps otherwise than images, else None; it raises as `get`."""
        reader = self.get(path)
        return cast("LabelReader", reader) if self.entry(path).component.reads_labels else None

    def writer(self, path: Path) -> ImageWriter:
        """Return the reader that writes images to a file.

        Raises:
            InvalidFile: the reader of this ending only writes label maps.
            NnplugError: as in `get`.
        """
        entry = self.entry(path)
        if not entry.component.writes_images:
            raise InvalidFile(f"{path}: {entry} writes no images, only label maps; choose another file_ending.")
        return cast("ImageWriter", self.get(path))

    def sidecars(self, path: Path) -> SidecarReader | None:
        """Return the reader of a file as one with sidecar files, or None if it has none or no reader reads it."""
        if self.ending(path) is None or not self.entry(path).component.has_sidecars:
            return None
        return cast("SidecarReader", self.get(path))

    def folder_reader(self, path: Path) -> FolderReader | None:
        """Return the reader of an image that lies in a folder or archive, or None for the path of a plain file."""
        if self.ending(path) is None or not self.entry(path).component.reads_folders:
            return None
        return cast("FolderReader", self.get(path))

    def folder_readers(self, folder: Path) -> Iterator[FolderReader]:
        """Yield the readers that may find images in a folder, or in a file with an ending of archives."""
        name = folder.name.lower()
        for entry in self._ordered():
            component = entry.component
            if component.reads_folders and (
                folder.is_dir() or (folder.is_file() and name.endswith(component.archives))
            ):
                yield cast("FolderReader", self.get(Path(f"image{component.reads_also[0]}")))

    def is_image(self, path: Path) -> bool:
        """Return whether a path is an image by its name: a file, or a folder for readers whose images are folders."""
        ending = self.ending(path)
        if ending is None:
            return False
        return path.is_dir() if any(e.component.stores_folders for e in self._fitting[ending]) else path.is_file()

    def label_ending(self, path: Path) -> str:
        """Return the ending of a label map that is predicted from an image, as it stands in the name of the image."""
        ending = self.ending(path)
        own = self.entry(path).component.label_ending if ending is not None else ""
        return own or path.name[len(path.name) - len(ending or "") :]

    def only(self, name: str) -> Readers:
        """Return the one reader with this name, for users who insist on it.

        A reader of folders writes no label maps: the readers of files stay beside it.

        Raises:
            UnknownComponent: no plugin offers it; the message suggests the nearest name.
            AmbiguousComponent: several distributions offer it.
        """
        found = [entry for entry in self.entries if entry.name == name]
        if not found:
            known = [entry.name for entry in self.entries]
            hint = did_you_mean(name, known, f"Known: {', '.join(known) or 'none'}.")
            raise UnknownComponent(f"no reader is called {name!r}. {hint}")
        chosen = _only(found, f"reader {name!r}")
        files = [e for e in self.entries if chosen.component.reads_folders and not e.component.reads_folders]
        return Readers((chosen, *files), chosen.name)

    def for_dataset(self, chosen: str | None, ending: str, where: str) -> Readers:
        """Return the readers for a dataset, which prefer the one that `dataset.json` names.

        Args:
            chosen: the name of a reader, or another framework's name for one (`ReaderComponent.dataset_names`); None
                to choose by the file ending.
            ending: `file_ending` of the dataset, in lower or upper case.
            where: the file of the description, for messages.

        Raises:
            InvalidFile: no reader has this name, or it does not read this ending.
            AmbiguousComponent: no reader is named, and several read this ending.
        """
        given, ending = ending, ending.lower()
        if ending not in self.endings:
            raise InvalidFile(
                f"{where}: 'file_ending' is {given!r}; nnplug {self.known_endings}", Action.INSTALL_READER()
            )
        if chosen is None:
            return replace(self, preferred=self.entry(Path(f"{where}: files *{ending}")).name)
        found = [entry for entry in self.entries if entry.name == chosen and ending in entry.component.endings]
        if not found:
            found = [e for e in self.entries if ending in e.component.dataset_names.get(chosen, ())]
            found = [entry for entry in found if not entry.component.implied] or found
        if not found:
            raise InvalidFile(
                f"{where}: the reader is {chosen!r}, but no installed reader of {ending!r} files has that name; "
                f"choose one of {', '.join(self._names(ending))} or remove the line",
                Action.INSTALL_READER(),
            )
        return replace(self, preferred=_only(found, f"{where}: {chosen!r}").name)

    @property
    def known_endings(self) -> str:
        """The endings and their readers in words, for messages."""
        return f"reads {', '.join(self.endings)} (readers: {', '.join(e.name for e in self._ordered())})"

    def _names(self, ending: str) -> tuple[str, ...]:
        """Return the names that a dataset of this ending may give its reader."""
        reading = [entry for entry in self._ordered() if ending in entry.component.endings]
        others = (name for e in reading for name, own in e.component.dataset_names.items() if ending in own)
        return _distinct((*(entry.name for entry in reading), *others))

    @cached_property
    def _fitting(self) -> Mapping[str, Sequence[ReaderEntry]]:
        """Ending, the longest first -> the readers to choose from. Every file asks, so it is computed once."""
        found = {ending: self._fit(ending) for ending in self.all_endings}
        return dict(sorted(found.items(), key=lambda item: -len(item[0])))

    def _fit(self, ending: str) -> Sequence[ReaderEntry]:
        reading = [e for e in self.entries if ending in (*e.component.endings, *e.component.reads_also)]
        preferred = [entry for entry in reading if entry.name == self.preferred]
        return preferred or [entry for entry in reading if entry.component.implied] or reading

    @cached_property
    def _created(self) -> dict[str, Reader]:
        """Name -> reader, each made at the first file that it reads. Readers have no state."""
        return {}

    def __reduce__(self) -> tuple[type[Readers], tuple[tuple[ReaderEntry, ...], str]]:
        """Pickle the entries alone: another process makes readers of its own."""
        return Readers, (self.entries, self.preferred)

    def _ordered(self) -> Iterator[ReaderEntry]:
        """Yield the implied reader first."""
        yield from sorted(self.entries, key=lambda entry: not entry.component.implied)


@lru_cache(maxsize=1)
def core_readers() -> Readers:
    """Return the readers that the core itself offers."""
    source = Source("core", CORE, version(CORE))
    return Readers(tuple(Entry(component, source) for component in builtin.nnplug_readers()))


def readers_or_core(readers: Readers | None) -> Readers:
    """Return the readers, or those that the core itself offers for None."""
    return core_readers() if readers is None else readers


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _only(found: Sequence[ReaderEntry], what: object) -> ReaderEntry:
    if len(found) == 1:
        return found[0]
    if len({entry.name for entry in found}) == 1:
        names = Names(entry.source.distribution for entry in found)
        raise AmbiguousComponent(
            f"{what}: {' and '.join(map(str, found))} have one name", Action.BLOCK_ONE_PLUGIN(names=names)
        )
    raise AmbiguousComponent(
        f"{what}: {' and '.join(map(str, found))} read such files",
        Action.NAME_READER(names=Names(entry.name for entry in found)),
    )
