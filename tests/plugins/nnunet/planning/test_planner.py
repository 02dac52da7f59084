from dataclasses import dataclass

import pytest

from nnplug import Kind
from nnplug.contracts import PlanningContext
from nnplug.errors import InvalidOptions, NnplugError, UnknownComponent
from nnplug_nnunet.planning import NnunetPlanner


def test_configurations_by_size(plan, fingerprint, description):
    assert list(plan(fingerprint(), description()).configurations) == ["2d", "3d_fullres"]
    large = plan(fingerprint((1, 1, 1), (512, 512, 512)), description()).configurations
    assert list(large) == ["2d", "3d_fullres", "3d_lowres", "3d_cascade_fullres"]
    slices = plan(fingerprint((999, 1, 1), (1, 512, 512)), description()).configurations
    assert list(slices) == ["2d"]


def test_the_cascade_joins_low_and_full_resolution(plan, fingerprint, description):
    configurations = plan(fingerprint((1, 1, 1), (512, 512, 512)), description()).configurations
    full, low, cascade = (configurations[n] for n in ("3d_fullres", "3d_lowres", "3d_cascade_fullres"))
    assert (low.next_stage, low.previous_stage) == ("3d_cascade_fullres", None)
    assert (cascade.next_stage, cascade.previous_stage) == (None, "3d_lowres")
    assert (cascade.patch_size, cascade.architecture) == (full.patch_size, full.architecture)
    assert (full.batch_dice, low.batch_dice, cascade.batch_dice) == (True, False, True)
    assert low.spacing[0] > full.spacing[0]


def test_without_a_cascade_full_resolution_has_no_batch_dice(plan, fingerprint, description):
    configurations = plan(fingerprint(), description()).configurations
    assert (configurations["2d"].batch_dice, configurations["3d_fullres"].batch_dice) == (True, False)


@pytest.mark.parametrize("planner", ["default", "resenc_m", "resenc_l", "resenc_xl"])
def test_more_memory_gives_a_larger_batch_or_patch(plan, fingerprint, description, planner):
    def voxels(memory):
        c = plan(fingerprint((1, 1, 1), (400, 400, 400)), description(), planner, memory_gb=memory)
        full = c.configurations["3d_fullres"]
        return full.batch_size * full.patch_size[0] * full.patch_size[1] * full.patch_size[2]

    assert voxels(4) < voxels(16) < voxels(64)


def test_narrower_features(plan, fingerprint, description):
    options = {"base_features": 8, "max_features": 40}
    full = plan(fingerprint(), description(), **options).configurations["3d_fullres"]
    assert full.architecture.options["features_per_stage"] == [8, 16, 32, 40, 40, 40]


@dataclass(frozen=True, kw_only=True)
class Coarser(NnunetPlanner):
    """nnU-Net's spacing, twice as coarse."""

    def target_spacing(self, fingerprint):
        return tuple(2 * mm for mm in super().target_spacing(fingerprint))


def test_patches_and_shapes_follow_from_a_subclass_s_target_spacing(fingerprint, description, registry):
    context = PlanningContext(dataset="d", name="p", recipe="nnunet", choices={}, registry=registry)

    def planned(planner):
        return planner.plan(fingerprint(), description(), context).configurations["3d_fullres"]

    mine, default = planned(Coarser()), planned(NnunetPlanner())
    assert mine == planned(NnunetPlanner(spacing=mine.spacing))
    assert mine.spacing == tuple(2 * mm for mm in default.spacing)
    assert mine.median_shape != default.median_shape


def test_a_target_spacing(plan, fingerprint, description):
    plans = plan(fingerprint(), description(), spacing=[2, 1, 1])
    assert plans.configurations["3d_fullres"].spacing == (2, 1, 1)
    assert plans.configurations["3d_fullres"].median_shape == (80, 160, 160)
    assert plans.configurations["2d"].spacing == (1, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory_gb": 0}, "memory_gb is 0.0; expected more than 0"),
        ({"memory_gb": "big"}, "memory_gb"),
        ({"base_features": 0}, "base_features is 0; expected more than 0"),
        ({"max_features": -1}, "max_features is -1; expected more than 0"),
        ({"spacing": [1, 0, 1]}, r"spacing is \[1.0, 0.0, 1.0\]; expected mm above 0"),
        ({"spacing": [1, 1]}, "spacing"),
        ({"memory": 8}, "has no option 'memory'. Did you mean 'memory_gb'?"),
    ],
)
def test_options_are_checked(plan, fingerprint, description, options, message):
    with pytest.raises(InvalidOptions, match=f"planner 'nnunet'.*{message}"):
        plan(fingerprint(), description(), **options)


def test_too_little_memory_says_so(plan, fingerprint, description):
    with pytest.raises(NnplugError, match="memory target is too small"):
        plan(fingerprint(), description(), memory_gb=1e-9)


def test_normalizers_by_channel_name_whatever_the_case(plan, fingerprint, description, heard):
    names = ("ct", "CT", "noNorm", "zscore", "rescale_to_0_1", "rgb_to_0_1")
    plans = plan(fingerprint(channels=6), description(*names))
    chosen = [n.name for n in plans.configurations["3d_fullres"].normalization]
    assert chosen == ["ct", "ct", "none", "zscore", "rescale-0-1", "rgb-0-1"]
    assert heard.notices == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("CTT", "Did you mean 'CT'?"),
        ("z_score", "Did you mean 'zscore'?"),
        ("MRI", "Names that do: CT, noNorm, zscore"),
    ],
)
def test_an_unknown_channel_name_is_z_scored_and_said(plan, fingerprint, description, heard, name, hint):
    plans = plan(fingerprint(channels=2), description(name, "ct"))
    assert [n.name for n in plans.configurations["2d"].normalization] == ["zscore", "ct"]
    (notice,) = heard.notices
    assert notice.startswith(f"channel name {name!r} names no normalisation, so zscore is used. {hint}")


@pytest.mark.parametrize(("relative_size", "masked"), [(0.74, True), (0.75, False)])
def test_the_mask_counts_where_cropping_removes_much(plan, fingerprint, description, relative_size, masked):
    plans = plan(fingerprint(channels=2, relative_size=relative_size), description("zscore", "CT"))
    assert [n.use_mask for n in plans.configurations["2d"].normalization] == [masked, False]


def test_a_named_normalizer_is_for_every_channel(plan, fingerprint, description, heard):
    plans = plan(fingerprint(channels=2), description("T1", "CT"), choices={Kind.NORMALIZER: "none"})
    assert [n.name for n in plans.configurations["2d"].normalization] == ["none", "none"]
    assert heard.notices == []
    assert Kind.NORMALIZER not in plans.choices


def test_a_named_architecture_takes_the_place_of_the_planners_own(plan, fingerprint, description):
    plans = plan(fingerprint(), description(), choices={Kind.ARCHITECTURE: "residual-encoder-unet"})
    assert plans.configurations["2d"].architecture.name == "residual-encoder-unet"
    assert Kind.ARCHITECTURE not in plans.choices


def test_architecture_options_reach_every_configuration(plan, fingerprint, description):
    plans = plan(fingerprint(), description(), architecture_options={"norm": "batch"})
    assert {c.architecture.options["norm"] for c in plans.configurations.values()} == {"batch"}


def test_architecture_options_that_do_not_suit_are_refused(plan, fingerprint, description):
    with pytest.raises(InvalidOptions, match="architecture 'plain-conv-unet' has no option 'nrm'"):
        plan(fingerprint(), description(), architecture_options={"nrm": "batch"})


def test_an_unknown_architecture_is_refused(plan, fingerprint, description):
    with pytest.raises(UnknownComponent, match="Did you mean 'plain-conv-unet'"):
        plan(fingerprint(), description(), choices={Kind.ARCHITECTURE: "plain-convunet"})
