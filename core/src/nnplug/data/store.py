"""The preprocessed cases of a configuration: single patches are read without loading the case."""
