"""Run a server until a signal ends it."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import uvicorn

from nnplug.errors import NnplugError
from nnplug.registry.loader import Plugins
from nnplug.runtime.progress import Progress
from nnplug_server.access import Access
from nnplug_server.app import Services, application
from nnplug_server.models import DeviceOptions, open_models
from nnplug_server.settings import Limits
from nnplug_server.told import Told
from nnplug_server.work import Worker

_PATIENCE = 30
"""The seconds in which running requests may end after a signal."""

_CONNECTIONS = 200


class _Server(uvicorn.Server):
    """A server that a signal ends as planned, with exit code 0."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], stop: Callable[[], None]) -> None:
        """Call `ready` when requests are answered and signals are handled, `stop` to end predictions after a signal."""
        super().__init__(config)
        self._ready, self._stop = ready, stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer running requests; those that take too long get an answer that says so."""
        timer = asyncio.get_running_loop().call_later(_PATIENCE, self._stop)
        try:
            await super().shutdown(sockets)
        finally:
            timer.cancel()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Handle the signals that end a server while the block runs; uvicorn would raise them again after it."""
        ours = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in ours}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(
    models: Sequence[str],
    address: tuple[str, int],
    access: Access,
    limits: Limits,
    options: DeviceOptions,
    *,
    plugins: Plugins,
    progress: Progress,
    ready: Callable[[str], None],
) -> None:
    """Serve models until SIGINT or SIGTERM. Running predictions get 30 seconds to end.

    Args:
        models: "BUNDLE" or "NAME=BUNDLE", see `open_models`.
        address: the host and the port; port 0 takes any that is free.
        access: the rule of access.
        limits: the work that is accepted.
        options: the device.
        plugins: the installed plugins.
        progress: receives a line per request.
        ready: called with the URL when the server answers.

    Raises:
        NnplugError: the address cannot be used, or a model cannot be opened.
    """
    with _bound(*address) as listening, _folder() as root:
        loaded = open_models(models, options, plugins, Told(progress))
        worker = Worker(limits.queue)
        services = Services(loaded, worker, access, limits, root, plugins.registry, progress)
        config = uvicorn.Config(
            application(services),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=2 * _PATIENCE,
        )
        try:
            _Server(config, lambda: ready(_url(listening)), worker.stop).run([listening])
        finally:
            worker.close()


@contextmanager
def _bound(host: str, port: int) -> Generator[socket.socket, None, None]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise NnplugError(f"{host}:{port}: cannot be served ({reason}); give another --port or --host") from error
        yield bound


@contextmanager
def _folder() -> Generator[Path, None, None]:
    """Yield the folder for temporary files, which other users cannot read."""
    root = Path(mkdtemp(prefix="nnplug-serve-"))
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
