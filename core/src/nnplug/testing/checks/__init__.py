"""The conformance checks, a module per kind of component."""
