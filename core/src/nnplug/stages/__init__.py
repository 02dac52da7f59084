"""One module per step of the pipeline; each step is a function that can be killed and called again."""
