"""Know what lies where on disk: runs, records, preprocessed cases."""
