"""The inferences that the core offers."""
