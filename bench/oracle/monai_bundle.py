"""Convert a model folder of nnU-Net into MONAI's bundle, and write the logits of MONAI's network: three arguments.

Runs in an environment with nnunetv2 and monai. Arguments: the bundle to write (its parent is the working folder), a
`.npy` file with a batch (batch, channels, z, y, x), and the `.npy` file to write. The variable `nnUNet_results` names
the folder of models.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from monai.apps.nnunet.nnunet_bundle import convert_nnunet_to_monai_bundle, get_network_from_nnunet_plans

CONFIGURATION = "3d_bs2"


def main() -> None:
    """Convert fold 0 and predict with its final weights."""
    bundle, batch, target = map(Path, sys.argv[1:])
    (bundle / "models").mkdir(parents=True)
    asked = {"dataset_name_or_id": "Dataset004_Hippocampus", "nnunet_configuration": CONFIGURATION}
    convert_nnunet_to_monai_bundle(asked, str(bundle), fold=0)
    models = bundle / "models"
    files = [str(models / name) for name in ("plans.json", "dataset.json")]
    weights = str(models / "fold_0" / "model.pt")
    network = get_network_from_nnunet_plans(*files, CONFIGURATION, weights, "network_weights").eval()
    with torch.inference_mode():
        np.save(target, network(torch.from_numpy(np.load(batch)))[0].numpy())


if __name__ == "__main__":
    main()
