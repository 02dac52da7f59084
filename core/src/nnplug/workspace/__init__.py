"""The layout of a workspace on disk: runs, records, preprocessed cases."""
