"""Predict images with a model folder of nnU-Net, without mirroring: PYTHON .. MODEL IMAGES OUTPUT DEVICE.

One process predicts one image after the other: nnU-Net's own commands start workers, which takes longer than the images
of the row `quality`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor


def main(model: str, images: str, output: str, device: str) -> None:
    """Write a label map per case."""
    predictor = nnUNetPredictor(tile_step_size=0.5, use_mirroring=False, device=torch.device(device), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(model, (0,))
    Path(output).mkdir(parents=True, exist_ok=True)
    predictor.predict_from_files_sequential(images, output)


if __name__ == "__main__":
    main(*sys.argv[1:])
