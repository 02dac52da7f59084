"""The command `nnplug model push`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

_path = click.Path(path_type=Path)


@click.command(short_help="Share a bundle on the Hugging Face Hub.")
@click.argument("bundle", type=_path)
@click.argument("target", metavar="hf:OWNER/NAME")
@click.option("--summary", type=_path, help="A summary.json of nnplug evaluate, whose Dice the model card gets.")
@click.option("--private", is_flag=True, help="Make the repository private if it is made now.")
@click.option("--keep-card", is_flag=True, help="Keep the README.md that the repository has.")
def push(*, bundle: Path, target: str, summary: Path | None, private: bool, keep_card: bool) -> None:
    """Push BUNDLE with a model card to a repository of the Hugging Face Hub, and print its reference.

    The card has what the bundle says of its data, licence and scores, and "not stated" for the rest. HF_TOKEN, or
    `hf auth login`, gives the right to write.
    """
    from nnplug.evaluation.summary import read_summary
    from nnplug.models.ensemble_bundle import unpacked_any
    from nnplug_hub.push import PushOptions, push_bundle
    from nnplug_hub.reference import parse_reference

    reference = parse_reference(target)
    options = PushOptions(private, keep_card, None if summary is None else read_summary(summary))
    with unpacked_any(bundle) as opened:
        pushed = str(push_bundle(opened, reference, options))
    click.echo(f"model: {pushed}")
    click.echo(f"next: {shlex.join(['nnplug', 'predict', '-i', 'IMAGES', '-o', 'PREDICTIONS', '-m', pushed])}")
