"""DICOM for nnplug: a reader of series, writers of segmentations and structure sets, and a converter to datasets."""
