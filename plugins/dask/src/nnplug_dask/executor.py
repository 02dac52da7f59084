"""The executor `dask`: cases, folds and images as tasks of a `dask.distributed` scheduler."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from nnplug.contracts import Executor
from nnplug.errors import NnplugError
from nnplug.runtime.executor import Failure, attempt, collected
from nnplug.runtime.progress import Progress
from nnplug.runtime.progress.events import Event, Receiver, Sender
from nnplug_dask.options import DaskOptions

if TYPE_CHECKING:
    from distributed import Future

    from nnplug_dask.session import Session

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class DaskExecutor(DaskOptions, Executor):
    """An executor on a Dask cluster whose workers see the same files under the same paths.

    If a worker dies, another worker repeats its job, three times at most; a training continues from its checkpoint. The
    options are those of `DaskOptions`.
    """

    @property
    def slots(self) -> int:
        """The number of workers that may train; see `Executor.slots`."""
        return self._session.slots

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        stage: str,
        name: Callable[[Item], str] = str,
    ) -> Iterator[Result]:
        """Yield the result of each item; see `Executor.map`.

        Raises:
            NnplugError: an item failed, or the scheduler is gone.
        """
        if items:
            yield from collected(
                self._outcomes(partial(run, function), items, [f"{stage} of {name(i)}" for i in items])
            )

    def map_on_device(
        self,
        function: Callable[[Item, Progress], Result],
        items: Sequence[Item],
        *,
        stage: str,
        name: Callable[[Item], str] = str,
        progress: Progress,
    ) -> Iterator[Result]:
        """Yield the result of each item that needs a device; see `Executor.map_on_device`.

        Raises:
            NnplugError: an item failed, or the scheduler is gone.
        """
        if not items:
            return
        what = [f"{stage} of {name(item)}" for item in items]
        with self._relayed(progress) as topic:
            job = partial(run_on_device, function, topic)
            yield from collected(self._outcomes(job, items, what, self._session.resources))

    def close(self) -> None:
        """Disconnect from the scheduler, and end the cluster if this executor started it."""
        if session := self.__dict__.pop("_session", None):
            session.close()

    @cached_property
    def _session(self) -> Session:
        from nnplug_dask.session import connect

        return connect(self)

    def _outcomes(
        self,
        job: Callable[[Item, str], Result | Failure],
        items: Sequence[Item],
        what: Sequence[str],
        resources: Mapping[str, float] | None = None,
    ) -> Iterator[Result | Failure]:
        client = self._session.client
        futures = [
            client.submit(job, item, text, key=f"{text} {uuid4().hex[:8]}", pure=False, resources=resources)
            for item, text in zip(items, what, strict=True)
        ]
        try:
            for text, future in zip(what, futures, strict=True):
                yield _outcome(future, text)
        finally:  # after Ctrl-C, or a bug in a job, no further job begins
            client.cancel(futures)

    @contextmanager
    def _relayed(self, progress: Progress) -> Iterator[str]:
        """Yield a topic of the scheduler; its events are passed to `progress`."""
        receiver, topic = Receiver(progress), f"nnplug-{uuid4().hex}"
        begun: set[str] = set()

        def receive(event: tuple[float, Any]) -> None:
            source, *values = event[1]
            if values[0] != "start":
                receiver.receive(source, values)
            elif source in begun:
                progress.warning(f"{source}: its worker died; it continues at {values[1]}")
            begun.add(source)

        client = self._session.client
        client.subscribe_topic(topic, receive)
        try:
            yield topic
        finally:
            client.unsubscribe_topic(topic)
            receiver.close()


def run(function: Callable[[Item], Result], item: Item, what: str) -> Result | Failure:
    """Process one item on a worker."""
    return attempt(partial(function, item), what=what)


def run_on_device(function: Callable[[Item, Progress], Result], topic: str, item: Item, what: str) -> Result | Failure:
    """Process one item on a worker, and send its progress as events of a topic."""
    from distributed import get_worker

    worker = get_worker()

    def send(event: Event) -> None:
        # messages of the cluster carry no subclass of str, such as a line with a remedy
        worker.log_event(topic, [what, *(str(value) if isinstance(value, str) else value for value in event)])

    send(("start", worker.address))
    return attempt(partial(function, item, Sender(send)), what=what)


def _outcome(future: Future[Any], what: str) -> Any:
    from distributed.scheduler import KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        died, last = error.allowed_failures + 1, error.last_worker.address
        hint = "look into its log; memory is the usual cause"
        return Failure((f"{what}: {died} workers died during it, the last of them {last}; {hint}",))
    except CancelledError as error:
        raise NnplugError(f"{what}: the Dask scheduler is gone. Run the same command again; it continues.") from error
