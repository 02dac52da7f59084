"""The conformance checks of the kinds that train: augmenter, sampler, loss, trainer."""
