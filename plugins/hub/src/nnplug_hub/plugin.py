"""The entries of this package."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import HubComponent, PluginCommand, hookimpl


@hookimpl
def nnplug_hubs() -> Iterable[HubComponent]:
    """Return the hub."""
    yield HubComponent("hf", "nnplug_hub.hub:HuggingFaceHub", "the Hugging Face Hub: hf:OWNER/NAME@REVISION")


@hookimpl
def nnplug_commands() -> Iterable[PluginCommand]:
    """Return the command."""
    yield PluginCommand("push", "nnplug_hub.commands:push", "share a bundle on the Hugging Face Hub", parent="model")
