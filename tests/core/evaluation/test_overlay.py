import numpy as np
import SimpleITK as sitk

from nnplug.evaluation.overlay import OverlayCase, draw_overlays


def test_overlays_are_a_picture(tmp_path):
    paths = {name: tmp_path / f"{name}.nii.gz" for name in ("image", "reference", "prediction")}
    for name, path in paths.items():
        array = np.arange(4 * 6 * 5).reshape(4, 6, 5) % 3
        sitk.WriteImage(sitk.GetImageFromArray(array.astype(np.float32 if name == "image" else np.uint8)), str(path))
    case = OverlayCase("a", (paths["image"],), paths["reference"], paths["prediction"])
    draw_overlays([case, case], tmp_path / "overlay.png", class_names=("one", "two"))
    assert (tmp_path / "overlay.png").read_bytes().startswith(b"\x89PNG")
