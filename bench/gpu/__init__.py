"""Checks and measurements of nnplug on a CUDA GPU; `bench/gpu_check.py` runs them."""
