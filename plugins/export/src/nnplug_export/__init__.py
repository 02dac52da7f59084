"""Export trained models as ONNX or torch.export files, with pre- and postprocessing as JSON."""
