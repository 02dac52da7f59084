"""What all rows share. Rows run under nnunetv2's Python too: what they import here is of the standard library alone."""
