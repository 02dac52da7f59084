"""The queue: a limited number of requests, one thread that predicts one image after the other."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from nnplug_server.refusal import Refusal, Stopped

T = TypeVar("T")

Job = Callable[[Callable[[], None]], T]
"""Work of the thread. It calls its argument now and then, which raises `Stopped` if nobody needs the result."""


class Worker:
    """A thread that predicts, and the places of the requests that use it."""

    def __init__(self, places: int) -> None:
        """Admit `places` requests at the same time: while they send an image, wait and are predicted."""
        self._free = self._places = places
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="nnplug-predict")
        self._stop = threading.Event()
        self._seconds = 1.0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place while the block runs.

        Raises:
            Refusal: all places are taken.
        """
        if self._free == 0:
            line = f"the queue is full: {self._places} requests are sent, wait or are predicted; try again later"
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, line, {"Retry-After": str(math.ceil(self._seconds))})
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1

    async def run(self, job: Job[T], request: Request) -> T:
        """Return the result of a job, which begins when those before it have ended.

        Raises:
            ClientDisconnect: the client of the request has left. The job is then removed from the queue; if it runs,
                it ends with the present pass of the network.
            Exception: as the job raises.
        """
        stop = threading.Event()
        future = self._pool.submit(self._timed, job, stop)
        done = asyncio.wrap_future(future)
        gone = asyncio.ensure_future(_until_gone(request))
        try:
            both: set[asyncio.Future[Any]] = {done, gone}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not done.done():
                raise ClientDisconnect
            return done.result()
        finally:
            gone.cancel()
            stop.set()
            if not future.cancel():
                with suppress(Exception, asyncio.CancelledError):
                    await done

    def _timed(self, job: Job[T], stop: threading.Event) -> T:
        def check() -> None:
            if stop.is_set() or self._stop.is_set():
                raise Stopped("the server is stopping; send the image again later")

        check()
        begin = time.monotonic()
        result = job(check)
        self._seconds = max(1.0, time.monotonic() - begin)
        return result

    def stop(self) -> None:
        """End all predictions with `Stopped`, the running one with the present pass of the network."""
        self._stop.set()

    def close(self) -> None:
        """End all predictions, then the thread."""
        self.stop()
        self._pool.shutdown(cancel_futures=True)


async def _until_gone(request: Request) -> None:
    """Return when the client of a request, whose body has been read, leaves."""
    message: dict[str, Any] = {}
    while message.get("type") != "http.disconnect":
        message = dict(await request.receive())
