"""Build and try what is released: `make wheels`, `make test-wheels`, `make test-lowest`, the Dockerfile's steps."""
