"""Predict with exported models of nnplug, with numpy, scipy, onnxruntime and SimpleITK."""
