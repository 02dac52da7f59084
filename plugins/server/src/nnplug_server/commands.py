"""The command `nnplug serve`."""

from __future__ import annotations

import functools
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnplug.errors import NnplugError

if TYPE_CHECKING:
    from nnplug.registry.command_context import CommandContext
    from nnplug_server.access import Access

Command = Callable[..., None]


@dataclass(frozen=True)
class _Address:
    """The address of the server, and the file of its token."""

    host: str
    port: int
    token_file: Path | None


@dataclass(frozen=True)
class _Accepted:
    """The work that the server accepts."""

    queue: int
    max_upload_mb: int
    max_image_mb: int
    sessions: int


@dataclass(frozen=True)
class _Effort:
    """The device and the effort of predictions."""

    device: str
    gpu_memory_gb: float | None
    no_mirroring: bool
    step_size: float | None


def _grouped(**groups: type[Any]) -> Callable[[Command], Command]:
    """Return a decorator that passes the values of options as data classes with fields of their names."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def packed(*args: Any, **values: Any) -> None:
            own = {
                name: group(**{field.name: values.pop(field.name) for field in fields(group)})
                for name, group in groups.items()
            }
            command(*args, **values, **own)

        return packed

    return decorate


def _count(name: str, default: int, text: str) -> Callable[[Command], Command]:
    """Return an option that is a number from 1 on."""
    return click.option(name, type=click.IntRange(min=1), default=default, show_default=True, metavar="N", help=text)


@click.command(short_help="Serve models to 3D Slicer and other clients.")
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    required=True,
    metavar="[NAME=]BUNDLE",
    help="A bundle or run to serve; its name in addresses is that of the file, or NAME; repeatable.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to answer on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: a free one.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="A file with the token that clients must send [default: NNPLUG_SERVER_TOKEN]. Needed for other hosts than "
    "this machine.",
)
@_count("--queue", 8, "Requests that may send, wait or be predicted at the same time; others get 503.")
@_count("--max-upload-mb", 1000, "The largest request; others get 413.")
@_count("--max-image-mb", 4000, "The largest image in memory, 4 bytes for each voxel of each channel.")
@_count("--sessions", 8, "Sessions that are kept.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    show_default=True,
    help="Device of the networks.",
)
@click.option("--gpu-memory-gb", type=click.FloatRange(min=0, min_open=True), help="GPU memory that it may allocate.")
@click.option("--no-mirroring", is_flag=True, help="Do not average over mirrored images: faster, a little worse.")
@click.option(
    "--step-size", type=click.FloatRange(0, 1, min_open=True), help="Distance of windows [default: the model's]."
)
@click.pass_obj
@_grouped(address=_Address, accepted=_Accepted, effort=_Effort)
def serve(
    context: CommandContext, *, models: tuple[str, ...], address: _Address, accepted: _Accepted, effort: _Effort
) -> None:
    """Serve models over HTTP in MONAI Label's protocol, until Ctrl-C or SIGTERM.

    3D Slicer's extension MONAI Label connects to it. One image is predicted at a time; others wait in a queue. Without
    a token, it answers this machine alone.
    """
    from nnplug.runtime.process import Work, prepare_process

    prepare_process(Work.PREDICT)
    from nnplug_server.access import Access
    from nnplug_server.models import DeviceOptions
    from nnplug_server.serve import serve as run
    from nnplug_server.settings import MEGABYTE, Limits

    access = Access(_token(address))
    run(
        models,
        (address.host, address.port),
        access,
        Limits(accepted.queue, accepted.max_upload_mb * MEGABYTE, accepted.max_image_mb * MEGABYTE, accepted.sessions),
        DeviceOptions(effort.device, not effort.no_mirroring, effort.step_size, effort.gpu_memory_gb),
        plugins=context.plugins,
        progress=context.progress,
        ready=functools.partial(_print_ready, access),
    )


def _print_ready(access: Access, url: str) -> None:
    """Print the address, and the command that lists the models."""
    click.echo(f"serving: {url}")
    header = () if access.token is None else ("-H", "Authorization: Bearer TOKEN")
    click.echo(f"next: {shlex.join(('curl', *header, f'{url}/info/'))}")


def _token(address: _Address) -> str | None:
    """Return the token.

    Raises:
        NnplugError: there is none, and other machines would reach the server; or as `read_token` raises.
    """
    from nnplug_server.access import VARIABLE, is_loopback, read_token

    token = read_token(address.token_file, os.environ.get(VARIABLE))
    if token is None and not is_loopback(address.host):
        raise NnplugError(
            f"--host {address.host}: other machines would reach the server without a token; write one to a file and "
            f"give --token-file FILE, or set {VARIABLE}"
        )
    return token
