"""nnunetv2 on the same data and the same sizes, where it is installed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.nnunet import architecture, dataset_json, environment, plans, strides

if TYPE_CHECKING:
    import torch

    from gpu.scenes import Scene
    from gpu.site import Site


def use_folders(site: Site) -> Mapping[str, str]:
    """Set nnU-Net's variables, which it reads when it is imported; return them."""
    variables = environment(site.scratch / "nnunetv2", site.dataset)
    del variables["nnUNet_n_proc_DA"]  # its default is meant for a GPU
    os.environ.update(variables)
    return variables


def plans_of(scene: Scene) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the plans and the dataset.json of a scene."""
    network = architecture(scene.patch, scene.features, strides(len(scene.features)))
    planned, description = plans(scene.patch, (1.0,) * 3, network), dataset_json(scene.classes)
    configuration = planned["configurations"]["3d_fullres"]
    configuration["batch_size"] = scene.batch
    configuration["normalization_schemes"] = ["ZScoreNormalization"] * scene.channels
    configuration["use_mask_for_norm"] = [False] * scene.channels
    statistics = planned["foreground_intensity_properties_per_channel"]["0"]
    planned["foreground_intensity_properties_per_channel"] = {str(c): statistics for c in range(scene.channels)}
    description["channel_names"] = {str(c): f"MR{c}" for c in range(scene.channels)}
    return planned, description


def step_of(scene: Scene, site: Site) -> Callable[[], object]:
    """Return a call that does one `train_step` of nnU-Net's trainer with a random batch on the device."""
    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    planned, description = plans_of(scene)
    folder = Path(os.environ["nnUNet_preprocessed"]) / planned["dataset_name"]  # noqa: SIM112 - nnU-Net's spelling
    cases = folder / planned["configurations"]["3d_fullres"]["data_identifier"]
    cases.mkdir(parents=True, exist_ok=True)
    (cases / "case.b2nd").touch()  # the trainer asks for the ending of the files, and reads none
    (folder / "nnUNetPlans.json").write_text(json.dumps(planned))
    planned["continue_training"] = False
    trainer = nnUNetTrainer(planned, "3d_fullres", 0, description, site.torch_device)
    trainer.initialize()
    trainer.set_deep_supervision_enabled(True)
    trainer.network.train()
    torch.backends.cudnn.benchmark = site.device == "cuda"  # as nnUNetv2_train sets it
    batch = _batch(scene, site.torch_device, trainer._get_deep_supervision_scales())  # noqa: SLF001 - no other way
    return lambda: trainer.train_step(batch)


def _batch(scene: Scene, device: torch.device, scales: list[list[float]]) -> dict[str, Any]:
    import torch

    torch.manual_seed(0)
    image = torch.randn(scene.batch, scene.channels, *scene.patch, device=device)
    shapes = [[round(p * s) for p, s in zip(scene.patch, scale, strict=True)] for scale in scales]
    target = [torch.randint(scene.classes, (scene.batch, 1, *s), device=device).short() for s in shapes]
    return {"data": image, "target": target}


def predictor_of(scene: Scene, site: Site, *, mirroring: bool) -> Callable[[Any], Any]:
    """Return a function from an image (C, z, y, x) to its label map, by nnU-Net's predictor."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    planned, description = plans_of(scene)
    manager, network = PlansManager(planned), planned["configurations"]["3d_fullres"]["architecture"]
    built = get_network_from_plans(
        *(network["network_class_name"], network["arch_kwargs"], network["_kw_requires_import"]),
        *(scene.channels, scene.classes, True, False),
    )
    predictor = nnUNetPredictor(
        use_mirroring=mirroring,
        perform_everything_on_device=site.device == "cuda",
        device=site.torch_device,
        allow_tqdm=False,
    )
    predictor.manual_initialization(
        built, manager, manager.get_configuration("3d_fullres"), [built.state_dict()], description,
        "nnUNetTrainer", (0, 1, 2),
    )  # fmt: skip
    return lambda image: predictor.predict_single_npy_array(image, {"spacing": [1.0, 1.0, 1.0]})
