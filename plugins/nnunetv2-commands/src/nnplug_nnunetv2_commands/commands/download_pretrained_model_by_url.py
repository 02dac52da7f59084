"""The command `nnUNetv2_download_pretrained_model_by_url`: download models into nnUNet_results."""

from __future__ import annotations

import tempfile
import urllib.request
from argparse import ArgumentParser
from pathlib import Path
from typing import IO

import click

from nnplug.errors import NnplugError
from nnplug_nnunetv2_commands.archives import install
from nnplug_nnunetv2_commands.command import Call, Options, run
from nnplug_nnunetv2_commands.environment import RESULTS

_BLOCK = 1 << 20
_INSTALL = "nnUNetv2_install_pretrained_model_from_zip"


def main() -> None:
    """Run the command."""
    parser = ArgumentParser(
        "nnUNetv2_download_pretrained_model_by_url", description="Download a zip of models and install it."
    )
    parser.add_argument("url", help="address of a zip that nnUNetv2_export_model_to_zip wrote")
    run(parser, _download)


def _download(call: Call, options: Options) -> None:
    results = call.environment.folder(RESULTS)
    with tempfile.TemporaryDirectory(prefix="nnplug-") as place:
        archive = Path(place) / "model.zip"
        _fetch(call, options.url, archive)
        for name in install(archive, results, call):
            click.echo(str(results / name))


def _fetch(call: Call, url: str, target: Path) -> None:
    if not url.startswith(("https://", "http://")):
        raise NnplugError(f"{url}: no web address; it begins with https://. A zip on disk: {_INSTALL} FILE")
    try:
        with urllib.request.urlopen(url) as answer, target.open("wb") as file:  # noqa: S310 - checked above
            _copy(call, answer, file, blocks=-(-int(answer.headers.get("Content-Length") or 0) // _BLOCK))
    except OSError as error:
        raise NnplugError(f"{url}: cannot be downloaded ({error}); check the address and the connection") from error


def _copy(call: Call, source: IO[bytes], target: IO[bytes], *, blocks: int) -> None:
    with call.progress.task("download", blocks) as advance:
        while block := source.read(_BLOCK):
            target.write(block)
            advance("")
