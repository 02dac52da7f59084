import subprocess
import sys

import pytest

from nnplug.contracts import Topology
from nnplug.errors import InvalidOptions, NnplugError
from nnplug.registry.options import build
from nnplug_nnunet.architectures import PlainConvUNet, ResidualEncoderUNet

TOPOLOGY = Topology(
    strides=((1, 1, 1), (1, 2, 2), (2, 2, 2), (2, 2, 2), (1, 2, 2)),
    kernel_sizes=((1, 3, 3), (1, 3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3)),
    features_per_stage=(32, 64, 128, 256, 320),
)


def plain(**changes):
    options = {**PlainConvUNet.options_for(TOPOLOGY), **changes}
    return build(PlainConvUNet, options, what="architecture 'plain-conv-unet'")


def residual(**changes):
    options = {**ResidualEncoderUNet.options_for(TOPOLOGY), **changes}
    return build(ResidualEncoderUNet, options, what="architecture 'residual-encoder-unet'")


def test_options_for_a_topology():
    assert plain().n_conv_per_stage == (2, 2, 2, 2, 2)
    assert plain().n_conv_per_stage_decoder == (2, 2, 2, 2)
    assert residual().n_blocks_per_stage == (1, 3, 4, 6, 6)
    assert residual().n_conv_per_stage_decoder == (1, 1, 1, 1)
    assert plain().strides == residual().strides == TOPOLOGY.strides


def test_the_divisor_is_the_product_of_the_strides():
    assert plain().divisor == (4, 16, 16)


@pytest.mark.parametrize(
    ("patch", "nearest"),
    [((30, 64, 64), "32 x 64 x 64"), ((32, 100, 70), "32 x 96 x 64"), ((1, 1, 1), "4 x 16 x 32")],
)
def test_a_patch_that_does_not_fit_is_told_the_nearest(patch, nearest):
    with pytest.raises(NnplugError, match=f"multiples of 4 x 16 x 16.*the nearest is {nearest}$"):
        plain().check_patch(patch)
    plain().check_patch([int(n) for n in nearest.split(" x ")])


def test_instance_norm_needs_more_than_one_voxel_at_the_bottleneck():
    with pytest.raises(NnplugError, match="more than one voxel at the bottleneck; the nearest is 4 x 16 x 32"):
        plain().check_patch((4, 16, 16))
    plain(norm="batch").check_patch((4, 16, 16))


def test_a_patch_of_other_axes_is_refused():
    with pytest.raises(NnplugError, match="patch size 64 x 64 has 2 axes; expected 3"):
        plain().check_patch((64, 64))


def test_a_network_without_pooling_is_refused():
    flat = Topology(((1, 1),), ((3, 3),), (32,))
    network = build(PlainConvUNet, PlainConvUNet.options_for(flat), what="network")
    with pytest.raises(NnplugError, match="a patch of 7 x 7 voxels is too small for a U-Net"):
        network.check_patch((7, 7))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_conv_per_stage": [2, 2]}, "n_conv_per_stage has 2 entries; 5 stages need 5"),
        ({"n_conv_per_stage_decoder": [2] * 5}, "n_conv_per_stage_decoder has 5 entries; 5 stages need 4"),
        ({"features_per_stage": [32, 64, 128, 256, 0]}, "features_per_stage is .* must be at least 1"),
        ({"kernel_sizes": [[3, 3, 2]] * 5}, r"kernel_sizes are .* they must be odd"),
        ({"kernel_sizes": [[3, 3]] * 5}, "kernel_sizes and strides must all have 2 axes, or all 3"),
        ({"strides": [[2, 2, 2]] * 5}, r"strides begin with \[2, 2, 2\]; the first stage keeps the resolution"),
        ({"dropout": 1.0}, "dropout is 1.0; expected a probability"),
        ({"norm": "layer"}, "option 'norm' is 'layer'"),
        ({"nrm": "batch"}, "has no option 'nrm'. Did you mean 'norm'?"),
    ],
)
def test_options_that_contradict_each_other_are_refused(changes, message):
    with pytest.raises(InvalidOptions, match=f"architecture 'plain-conv-unet'.*{message}"):
        plain(**changes)


def test_the_residual_encoder_checks_its_blocks():
    with pytest.raises(InvalidOptions, match="n_blocks_per_stage has 1 entries; 5 stages need 5"):
        residual(n_blocks_per_stage=[1])


def test_every_head_counts_at_full_resolution_only():
    few, many = (plain().feature_map_elements((32, 64, 64), channels=1, heads=h) for h in (2, 12))
    assert many - few == 10 * 32 * 64 * 64


def test_importing_and_counting_load_no_torch():
    code = (
        "import sys; from nnplug_nnunet.architectures import PlainConvUNet; "
        "network = PlainConvUNet(n_stages=1, features_per_stage=(4,), kernel_sizes=((3, 3),), strides=((1, 1),), "
        "n_conv_per_stage=(2,), n_conv_per_stage_decoder=()); "
        "network.feature_map_elements((8, 8), channels=1, heads=2); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
