"""nnU-Net's losses as components, and the trainer that minimises them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from safetensors.torch import load_file

from nnplug.contracts import LossContext
from nnplug.contracts.attributed.loss import AttributedLoss
from nnplug.contracts.kinds import LOSS
from nnplug.errors import ComponentFailed, InvalidOptions, InvalidPlugin
from nnplug.registry.loader import Plugins
from nnplug.testing.trainings import Setting, make_task
from nnplug_nnunet.training.losses import LOSSES, Dice, TopK, loss_of
from nnplug_nnunet.training.trainer import NnUNetTrainer

SHORT = {"epochs": 1, "iterations_per_epoch": 2, "val_iterations_per_epoch": 1, "precision": "float32"}


def weights(folder, component=None, **options):
    task = replace(make_task(folder, Setting(axes=2)), loss=component)
    NnUNetTrainer(**SHORT, **options).train(task)
    return load_file(task.run.final_weights)


def are_equal(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("name", [made.terms for made in LOSSES])
def test_a_named_loss_trains_as_the_older_option_to_the_bit(name, tmp_path):
    named = AttributedLoss(Plugins().registry.create(LOSS, name))
    by_option = weights(tmp_path / "option", loss=name)
    assert are_equal(weights(tmp_path / "component", named), by_option)
    plain = weights(tmp_path / "plain")
    assert are_equal(by_option, plain) is (name == "dice-ce")


def test_a_loss_and_the_older_option_together_are_refused(tmp_path):
    with pytest.raises(InvalidOptions, match="trainer option loss is 'dice', and the plans name a loss as well"):
        weights(tmp_path, loss_of("ce"), loss="dice")


def test_a_larger_share_of_the_highest_entropies_has_a_lower_mean(tmp_path):
    context = LossContext(make_task(tmp_path, Setting()).labels, batch_dice=False)
    logits = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    target = torch.randint(0, 3, (2, 1, 8, 8), generator=torch.Generator().manual_seed(2))
    tenth, half, all_of_them = (TopK(fraction=f).bind(context)(logits, target) for f in (0.1, 0.5, 1.0))
    assert tenth > half > all_of_them
    assert torch.isclose(all_of_them, loss_of("ce").bind(context)(logits, target))
    with pytest.raises(ValueError, match="fraction is 0; it must be above 0"):
        TopK(fraction=0)
    with pytest.raises(ValueError, match="label_smoothing is 1; it must be from 0 to below 1"):
        TopK(label_smoothing=1)
    with pytest.raises(ValueError, match="smooth is -1; it must be at least 0"):
        Dice(smooth=-1)


@dataclass(frozen=True)
class Faulty:
    """A loss that gives what it is told to."""

    give: object

    def bind(self, context):
        return self

    def __call__(self, logits, target):
        return self.give(logits)


def test_what_a_loss_does_wrong_names_the_loss(tmp_path):
    with pytest.raises(InvalidPlugin, match=r"Faulty gave a loss of shape \(\d+,\); expected a scalar"):
        weights(tmp_path / "a", AttributedLoss(Faulty(lambda logits: logits.mean((1, 2, 3)))))
    with pytest.raises(InvalidPlugin, match=r"Faulty gave a loss without gradient; compute it by torch alone"):
        weights(tmp_path / "c", AttributedLoss(Faulty(lambda logits: torch.tensor(logits.mean().item()))))
    with pytest.raises(ComponentFailed, match="Faulty failed: ZeroDivisionError: division by zero"):
        weights(tmp_path / "b", AttributedLoss(Faulty(lambda _: 1 / 0)))
