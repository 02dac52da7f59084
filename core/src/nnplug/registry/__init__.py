"""Find the plugins and their components, build components, and record where they came from."""
