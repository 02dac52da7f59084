"""The conformance checks, with one module per kind of component."""
