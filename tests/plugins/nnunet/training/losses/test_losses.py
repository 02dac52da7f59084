"""Losses against figures of nnunetv2 2.8.1 (bench/oracle/training.py)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from nnplug.contracts import LossContext
from nnplug.contracts.attributed.loss import AttributedLoss
from nnplug.dataset.labels import Labels
from nnplug.errors import ComponentFailed, InvalidOptions
from nnplug.registry.attribution import Origin, tagged
from nnplug_nnunet.training.losses import DiceCE, deep_supervision
from nnplug_nnunet.training.losses.deep_supervision import supervised_loss
from nnplug_nnunet.training.losses.details import Details
from nnplug_nnunet.training.losses.functions import make_loss
from nnplug_nnunet.training.schedule import learning_rate, make_optimizer
from nnplug_nnunet.training.scores import confusion, dice, mean_dice
from nnplug_nnunet.training.trainer import NnUNetTrainer

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "training.json").read_text())
SHAPE = (6, 8, 4)
CLASSES = {"background": 0, "a": 1, "b": 2, "c": 3}
REGIONS = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "inner": [3]}


def labels_of(raw, ignore):
    raw = raw if ignore is None else {**raw, "ignore": ignore}
    return Labels.from_data(raw, [1, 2, 3] if raw.get("whole") else None, "test")


def inputs(seed, channels, highest):
    draw = np.random.RandomState(seed)
    logits = torch.from_numpy(draw.normal(size=(3, channels, *SHAPE)).astype(np.float32) * 2)
    return logits, torch.from_numpy(draw.randint(0, highest + 1, size=(3, 1, *SHAPE))).short()


@pytest.mark.parametrize("case", GOLDEN["class"])
def test_class_loss_equals_nnunet(case):
    loss = make_loss("dice-ce", labels_of(CLASSES, case["ignore"]), batch_dice=case["batch_dice"])
    value = loss(*inputs(case["seed"], 4, case["ignore"] or 3))
    assert float(value) == pytest.approx(case["loss"], rel=1e-5)


@pytest.mark.parametrize("case", GOLDEN["region"])
def test_region_loss_equals_nnunet(case):
    loss = make_loss("dice-ce", labels_of(REGIONS, case["ignore"]), batch_dice=case["batch_dice"])
    value = loss(*inputs(case["seed"], 3, case["ignore"] or 3))
    assert float(value) == pytest.approx(case["loss"], rel=1e-5)


def test_topk_loss_equals_nnunet():
    loss = make_loss("dice-topk", labels_of(CLASSES, None), batch_dice=True)
    assert float(loss(*inputs(8, 4, 3))) == pytest.approx(GOLDEN["topk"], rel=1e-5)


@pytest.mark.parametrize("name", ["topk", "dice-topk"])
def test_labels_are_smoothed(name):
    labels, (logits, target) = labels_of(CLASSES, None), inputs(8, 4, 3)
    smoothed = make_loss(name, labels, batch_dice=True, details=Details(label_smoothing=0.3, top_fraction=1.0))
    plain = make_loss(name, labels, batch_dice=True, details=Details(top_fraction=1.0))
    entropy = torch.nn.functional.cross_entropy(logits, target[:, 0].long())
    spread = torch.nn.functional.cross_entropy(logits, target[:, 0].long(), label_smoothing=0.3)
    assert float(smoothed(logits, target) - plain(logits, target)) == pytest.approx(float(spread - entropy), rel=1e-4)


def test_labels_of_regions_are_not_smoothed():
    with pytest.raises(InvalidOptions, match=r"loss option label_smoothing is 0\.1; it is for classes that exclude"):
        make_loss("topk", labels_of(REGIONS, None), batch_dice=True, details=Details(label_smoothing=0.1))


def test_a_class_that_is_nowhere_has_dice_0_without_smoothing():
    labels = labels_of({"background": 0, "a": 1}, None)
    logits = torch.tensor([30.0, -30.0]).view(1, 2, 1, 1).expand(1, 2, 4, 4)
    target = torch.zeros(1, 1, 4, 4, dtype=torch.int16)
    assert float(make_loss("dice", labels, batch_dice=False, details=Details(smooth=0.0))(logits, target)) == 0
    assert float(make_loss("dice", labels, batch_dice=False)(logits, target)) == pytest.approx(-1, abs=1e-3)


def test_sums_are_their_terms():
    labels, (logits, target) = labels_of(CLASSES, 4), inputs(3, 4, 4)
    terms = {n: make_loss(n, labels, batch_dice=False)(logits, target) for n in ("dice-ce", "dice", "ce")}
    assert float(terms["dice-ce"]) == pytest.approx(float(terms["dice"] + terms["ce"]), rel=1e-6)


@pytest.mark.parametrize("raw", [CLASSES, REGIONS])
def test_ignored_voxels_change_nothing(raw):
    labels = labels_of(raw, 4)
    logits, target = inputs(5, labels.outputs, 4)
    changed = torch.where(target == 4, logits + 3, logits)
    loss = make_loss("dice-ce", labels, batch_dice=True)
    assert float(loss(changed, target)) == pytest.approx(float(loss(logits, target)), rel=1e-6)
    assert torch.equal(confusion(changed, target, labels), confusion(logits, target, labels))


def test_nothing_but_ignored_voxels_gives_a_finite_loss():
    labels = labels_of(CLASSES, 4)
    logits, target = inputs(5, 4, 4)
    for name in ("dice-ce", "topk"):
        assert torch.isfinite(make_loss(name, labels, batch_dice=False)(logits, torch.full_like(target, 4)))


def test_perfect_prediction_has_dice_one():
    target = inputs(1, 4, 3)[1]
    logits = 200.0 * torch.nn.functional.one_hot(target[:, 0].long(), 4).movedim(-1, 1)
    assert float(make_loss("dice", labels_of(CLASSES, None), batch_dice=True)(logits, target)) == pytest.approx(
        -1, abs=1e-6
    )


def test_deep_supervision_equals_nnunet():
    golden = GOLDEN["supervised"]
    logits, target = inputs(golden["seed"], 4, 3)
    targets = [deep_supervision.downsample(target, np.shape(t)) for t in golden["targets"]]
    assert [t[0, 0].tolist() for t in targets] == golden["targets"]
    outputs = [torch.nn.functional.interpolate(logits, size=t.shape[2:]) for t in (target, *targets)]
    loss = deep_supervision.supervised_loss(
        make_loss("dice-ce", labels_of(CLASSES, None), batch_dice=False), outputs, target
    )
    assert float(loss) == pytest.approx(golden["loss"], rel=1e-5)


@pytest.mark.parametrize("raw", [CLASSES, REGIONS])
@pytest.mark.parametrize("name", ["dice-ce", "dice", "ce", "topk", "dice-topk"])
@pytest.mark.parametrize(("ignore", "batch_dice"), [(None, False), (None, True), (4, False), (4, True)])
def test_all_resolutions_together_are_the_weighted_sum_of_each(raw, name, ignore, batch_dice):
    labels = labels_of(raw, ignore)
    loss = make_loss(name, labels, batch_dice=batch_dice)
    logits, target = inputs(4, labels.outputs, ignore or 3)
    outputs = [torch.nn.functional.interpolate(logits, size=size) for size in (SHAPE, (3, 4, 2), (2, 3, 1), (1, 1, 1))]
    alone = [
        weight * loss(output, deep_supervision.downsample(target, output.shape[2:]))
        for weight, output in zip(deep_supervision.weights(4), outputs, strict=True)
    ]
    together = deep_supervision.supervised_loss(loss, outputs, target)
    assert float(together) == pytest.approx(float(sum(alone)), rel=1e-5)
    assert float(deep_supervision.supervised_loss(lambda *given: loss(*given), outputs, target)) == pytest.approx(
        float(together), rel=1e-5
    ), "as a loss that knows one resolution alone"


@pytest.mark.parametrize("shape", [(8, 9, 8), (4, 3, 8), (2, 9, 1), (5, 4, 3)])
def test_a_coarse_target_takes_the_voxel_at_its_centre(shape):
    target = torch.randint(0, 4, (2, 1, 8, 9, 8), generator=torch.Generator().manual_seed(0))
    centres = [
        [int((i + 0.5) * whole / size) for i in range(size)] for whole, size in zip((8, 9, 8), shape, strict=True)
    ]
    wanted = target[:, :, centres[0]][:, :, :, centres[1]][..., centres[2]]
    assert torch.equal(deep_supervision.downsample(target, shape), wanted)


def test_deep_supervision_weights():
    assert deep_supervision.weights(1) == (1.0,)
    assert deep_supervision.weights(2) == (1.0, 0.0)
    assert deep_supervision.weights(4) == pytest.approx((4 / 7, 2 / 7, 1 / 7, 0))


def test_learning_rates_equal_nnunet():
    rates = [learning_rate("poly", 0.01, epoch, 1000) for epoch in (0, 1, 10, 500, 999)]
    assert rates == pytest.approx(GOLDEN["rates"], rel=1e-9)


def test_other_schedules():
    assert learning_rate("constant", 0.1, 7, 10) == 0.1
    assert learning_rate("cosine", 0.1, 5, 10) == pytest.approx(0.05)
    rises = [learning_rate("cosine", 0.1, epoch, 10, warmup=4) for epoch in (0, 3, 4, 7)]
    assert rises == pytest.approx([0.025, 0.1, 0.1, 0.05])


def test_optimizers_by_name():
    weight = [torch.nn.Parameter(torch.zeros(2))]
    sgd = make_optimizer("sgd", weight, lr=0.1, momentum=0.99, weight_decay=3e-5)
    assert isinstance(sgd, torch.optim.SGD)
    assert sgd.defaults["nesterov"]
    assert isinstance(make_optimizer("adamw", weight, lr=0.1, momentum=0.9, weight_decay=0), torch.optim.AdamW)
    with pytest.raises(ValueError, match=r"betas are \[0\.9, 0\.999\]; Adan takes three numbers"):
        make_optimizer("adan", weight, lr=0.1, momentum=0.9, weight_decay=0, betas=(0.9, 0.999))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"warmup_epochs": -1}, "trainer option warmup_epochs is -1; it must be at least 0"),
        ({"amsgrad": True}, "trainer option amsgrad is for adam and adamw; optimizer is sgd"),
        ({"betas": (0.9, 0.99)}, r"trainer option betas is \[0\.9, 0\.99\]; sgd takes no betas"),
        ({"optimizer": "adan", "betas": (0.9,)}, r"trainer option betas is \[0\.9\]; adan takes 3 numbers from 0"),
        ({"unmirrored_axes": (0,)}, r"trainer option unmirrored_axes is \[0\]; axes are -1 \(the last\), -2 and -3"),
    ],
)
def test_numbers_out_of_range_are_refused(options, message):
    with pytest.raises(InvalidOptions, match=message):
        NnUNetTrainer(**options)


def test_axes_that_are_not_mirrored_are_counted_from_the_last():
    assert NnUNetTrainer(unmirrored_axes=(-1,)).mirror_axes(3) == (0, 1)
    assert NnUNetTrainer(unmirrored_axes=(-1, -3)).mirror_axes(2) == (0,)
    assert NnUNetTrainer(mirroring=False).mirror_axes(3) == ()


def test_pseudo_dice_counts_per_class():
    labels = labels_of({"background": 0, "a": 1, "b": 2}, None)
    target = torch.tensor([[[[0, 1], [1, 1]]]])
    logits = torch.nn.functional.one_hot(torch.tensor([[[0, 1], [1, 0]]]), 3).permute(0, 3, 1, 2).float()
    per_class = dice(confusion(logits, target, labels))
    assert per_class[0] == pytest.approx(4 / 5)
    assert np.isnan(per_class[1])
    assert mean_dice(per_class) == pytest.approx(4 / 5)
    assert mean_dice([float("nan")]) == 0


def test_a_loss_of_the_plans_computes_all_resolutions_together_and_names_itself(monkeypatch):
    context = LossContext(Labels.from_data({"background": 0, "a": 1, "b": 2}, None, "test"), batch_dice=False)
    component, made = (
        tagged(DiceCE(), Origin("loss 'mine' from nnplug-x 1.0", "nnplug-x", "x", "mine", "1.0")),
        DiceCE().bind(context),
    )
    outputs = [torch.randn(2, 3, *(size,) * 3) for size in (8, 4, 2)]
    target = torch.randint(0, 3, (2, 1, 8, 8, 8)).short()
    function = AttributedLoss(component).bind(context)
    assert torch.equal(supervised_loss(function, outputs, target), supervised_loss(made, outputs, target))
    monkeypatch.setattr(type(made), "__call__", None)
    supervised_loss(function, outputs, target)
    monkeypatch.setattr(type(made), "supervised", lambda *_: 1 / 0)
    with pytest.raises(ComponentFailed, match="loss 'mine' from nnplug-x 1.0"):
        supervised_loss(function, outputs, target)
