"""`nnplug` in processes that are forked from one that has imported everything: a command takes as long as its work.

The process of a command leads a process group of its own. It can have marks of its stages (`marked.py`), or a disk that
fails (`failing.c`).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from tests.torture.marked import Marks, watch
from tests.torture.scenes import environment

SOURCE = Path(__file__).with_name("failing.c")
PATIENCE = 1200.0
"""Seconds after which a command hangs."""
IMPORTED = (
    *("nnplug.pipeline.run", "nnplug.pipeline.finish", "nnplug.training.folds", "nnplug.inference.jobs"),
    *("matplotlib.figure", "nnplug_cli.commands.predict", "nnplug_cli.commands.run", "nnplug_cpu.plugin"),
)
SPACE, CHANGE, SYNC = 1, 2, 4
"""Kinds of operations, as in failing.c: they take room, change the disk in another way, wait for the disk."""


@dataclass(frozen=True)
class Failure:
    """A failure of a disk.

    Attributes:
        folder: operations under it are counted.
        kinds: the sum of the kinds that are counted.
        error: the number of the error.
        number: the operation that fails; 0 for none.
        stays: whether those after it fail too.
    """

    folder: str
    kinds: int
    error: int = 0
    number: int = 0
    stays: bool = False


@dataclass(frozen=True)
class Done:
    """The end of a command.

    Attributes:
        code: its exit code.
        told: its messages.
        failed: the operation that failed; empty if none did.
        operations: the kind of each operation, with its name and path; of a command without a failure.
    """

    code: int
    told: str
    failed: str
    operations: tuple[tuple[int, str], ...] = ()


class Server:
    """A process with nnplug, and the library that lets operations fail."""

    def __init__(self, folder: Path) -> None:
        """Compile the library into a folder, and start the process."""
        folder.mkdir(parents=True, exist_ok=True)
        library = folder / "failing.so"
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
        self._out, self._list = folder / "told.txt", folder / "operations.txt"
        words = [sys.executable, "-m", "tests.torture.server", str(self._out)]
        variables = {**environment(), "LD_PRELOAD": str(library), "TORTURE_LIST": str(self._list)}
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables, cwd=root
        )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *details: object) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()

    def start(self, words: list[str], *, failure: Failure | None = None, marks: tuple[str, str] | None = None) -> int:
        """Start a command and return the number of its process group; `end` must follow.

        Args:
            words: the words of `nnplug`.
            failure: of the disk.
            marks: file of marks and kill, the first arguments of `marked.py`.
        """
        assert self._process.stdin is not None
        asked = {"words": words, "failure": failure and asdict(failure), "marks": marks}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return int(self._answer())

    def end(self) -> Done:
        """Wait for the end of the command; one that takes longer than `PATIENCE` is killed, with code 1000."""
        answer = self._answer()
        return Done(told=self._out.read_text(), **answer)

    def run(self, words: list[str], failure: Failure | None = None) -> Done:
        """Run a command, on a disk that fails if one is given."""
        self.start(words, failure=failure)
        done = self.end()
        return done if failure is None or failure.number else replace(done, operations=tuple(self._operations()))

    def _operations(self) -> Iterator[tuple[int, str]]:
        for line in self._list.read_text().splitlines():
            kind, operation = line.split(" ", 1)
            yield int(kind), operation

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def serve(out: Path) -> None:
    """Answer until stdin ends."""
    from nnplug import Plugins
    from nnplug.registry.components import Kind

    for name in IMPORTED:
        import_module(name)
    Plugins().registry.create(Kind.TRAINER, "nnunet")
    for line in sys.stdin:
        answer = _forked(json.loads(line), out)
        import_all(answer.pop("modules", []))  # the next command need not
        print(json.dumps(answer), flush=True)


def import_all(names: list[str]) -> None:
    """Import the modules that a command imported, as far as they have a name of their own."""
    for name in names:
        if name not in sys.modules and not name.startswith("_"):
            with contextlib.suppress(Exception):
                import_module(name)


def _forked(asked: dict[str, Any], out: Path) -> dict[str, Any]:
    """Run a command in a process of its own; gives its code and the operation that failed."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        os.setsid()
        _command(asked, out, writing)
    os.close(writing)
    print(child, flush=True)
    late = threading.Event()
    timer = threading.Timer(PATIENCE, lambda: (late.set(), os.killpg(child, signal.SIGKILL)))
    timer.start()
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    timer.cancel()
    code = 1000 if late.is_set() else os.waitstatus_to_exitcode(status)
    return {"code": code, **(json.loads(answer) if answer else {"failed": ""})}


def _command(asked: dict[str, Any], out: Path, writing: int) -> None:
    """Run a command and end this process."""
    from nnplug_cli.main import main

    told = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (told, 1), (told, 2)):
        os.dup2(source, target)
    library = ctypes.CDLL(None)
    library.torture_last.restype = ctypes.c_char_p
    if asked["failure"]:
        one = Failure(**asked["failure"])
        library.torture_arm(os.fsencode(one.folder), one.kinds, one.error, ctypes.c_long(one.number), int(one.stays))
    marks = Marks(Path(asked["marks"][0]), asked["marks"][1]) if asked["marks"] else None
    if marks:
        watch(marks)
        sys.addaudithook(marks.hear)
    code = 70
    try:
        main(asked["words"], prog_name="nnplug")
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # noqa: BLE001 - told as Python tells it, and the process ends
        sys.excepthook(*sys.exc_info())
    library.torture_disarm()
    if marks and code == 0:
        marks.begin("end")
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    failed = library.torture_last().decode()
    answer = {"failed": failed, "modules": list(sys.modules)}
    with os.fdopen(writing, "w") as pipe:
        json.dump(answer, pipe)
    os._exit(code)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
