"""Trackers for nnplug: TensorBoard, MLflow, W&B. Each library is imported only when its tracker is used."""
