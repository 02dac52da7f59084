"""From logits to a label map on the image's grid: time, and memory on top of the logits. Noise is the worst case."""

from __future__ import annotations

from harness.nnunet import architecture, dataset_json, plans, strides
from harness.row import Case, Goal, Inside, Row, Work

SPACING = 1.5


def ours(classes: int, logits: int, image: int) -> Work:
    """nnplug's streaming export."""
    import torch

    from nnplug.ops.export import label_map

    label_map(torch.randn(2, 8, 8, 8), (12, 12, 12))  # what the first call loads is not the export's
    values = torch.empty(classes, logits, logits, logits).normal_()

    def work() -> None:
        assert label_map(values, (image,) * 3).shape == (image,) * 3

    return work


def theirs(classes: int, logits: int, image: int) -> Work:
    """nnU-Net's conversion of predicted logits to a segmentation."""
    import torch
    from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    patch = (32, 32, 32)
    manager = PlansManager(plans(patch, (SPACING,) * 3, architecture(patch, (4, 8), strides(2))))
    labels = manager.get_label_manager(dataset_json(classes))

    def convert(values: torch.Tensor, size: int) -> None:
        shape = (size,) * 3
        properties = {
            "spacing": (1.0, 1.0, 1.0),
            "shape_before_cropping": shape,
            "shape_after_cropping_and_before_resampling": shape,
            "bbox_used_for_cropping": [[0, size]] * 3,
        }
        segmentation = convert_predicted_logits_to_segmentation_with_correct_shape(
            values, manager, manager.get_configuration("3d_fullres"), labels, properties
        )
        assert segmentation.shape == shape

    convert(torch.randn(classes, 8, 8, 8), 12)
    values = torch.empty(classes, logits, logits, logits).normal_()
    return lambda: convert(values, image)


ROW = Row(
    title="export of logits to labels",
    ours=Inside(ours, fresh=True),
    theirs=Inside(theirs, fresh=True),
    rounds=1,
    warm_up=0,
    cases=(
        Case(
            "171^3 -> 256^3, 60 classes",
            {"classes": 60, "logits": 171, "image": 256},
            quick={"classes": 5, "logits": 32, "image": 48},
            goals=(Goal("seconds", 0.1), Goal("extra_bytes", 0.3e9, of="nnplug")),
        ),
    ),
)
