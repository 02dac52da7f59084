"""A network that is no U-Net, planned by nnU-Net's planner from patch and memory alone, and built from the plans."""

import pytest
import torch

from nnplug.errors import InvalidPlugin
from nnplug.plans.plans import Plans
from nnplug.preparation.make_plans import make_plans
from nnplug.preparation.plan_request import PlanRequest
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug.testing import samples

OFFER = """
from dataclasses import dataclass
from math import prod

@hookimpl
def nnplug_architectures():
    yield ArchitectureComponent("tokens", "fake_nnplug_tokens:Tokens", "a network of tokens")

@dataclass(frozen=True)
class Tokens:
    patch: tuple[int, ...]
    width: int = 8

    @classmethod
    def largest_patch(cls, limit): return {largest}

    @classmethod
    def options_for_patch(cls, patch_size): return {{"patch": list(patch_size)}}

    def feature_map_elements(self, patch_size, *, channels, heads):
        return prod(patch_size) * self.width * 64

    def check_patch(self, patch_size):
        from nnplug import NnplugError
        if tuple(patch_size) != self.patch:
            raise NnplugError(f"tokens are for patches of {{self.patch}}, not {{patch_size}}")

    def build(self, *, channels, outputs):
        import torch
        layer = torch.nn.Conv2d if len(self.patch) == 2 else torch.nn.Conv3d
        return layer(channels, outputs, 1)
"""


@pytest.fixture
def plan(install):
    def plan(largest="tuple(max(1, n // 8) * 8 for n in limit)", **options) -> tuple[Plans, Plugins]:
        install("nnplug-tokens", "tokens", OFFER.format(largest=largest))
        plugins = Plugins()
        plans = make_plans(
            samples.fingerprint((1.0, 1.0, 1.0), (80, 96, 96)),
            samples.DESCRIPTION,
            PlanRequest(components={Kind.ARCHITECTURE: "tokens"}, options=options),
            dataset="Dataset001_A",
            plugins=plugins,
        )
        return plans, plugins

    return plan


def test_it_is_planned_from_patch_and_memory_and_built(plan):
    plans, plugins = plan()
    for configuration in plans.configurations.values():
        patch, choice = configuration.patch_size, configuration.architecture
        assert choice.name == "tokens"
        assert choice.options == {"patch": list(patch)}
        assert all(n % 8 == 0 for n in patch)
        network = plugins.registry.create(Kind.ARCHITECTURE, choice.name, choice.options).build(channels=2, outputs=3)
        assert network(torch.zeros(1, 2, *patch)).shape == (1, 3, *patch)


def test_less_memory_gives_a_smaller_patch(plan):
    large, _ = plan()
    small, _ = plan(planner={"memory_gb": 1.0}, architecture={"width": 16})
    sizes = [torch.Size(p.configurations["3d_fullres"].patch_size).numel() for p in (large, small)]
    assert sizes[1] < sizes[0]
    assert small.configurations["3d_fullres"].architecture.options["width"] == 16


def test_a_patch_above_the_limit_is_the_architectures_fault(plan):
    with pytest.raises(
        InvalidPlugin, match=r"architecture 'tokens' from nnplug-tokens 1\.0: largest_patch\(.*is not with"
    ):
        plan(largest="tuple(n + 1 for n in limit)")
