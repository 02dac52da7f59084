"""Training as nnU-Net 2.8.1 does it: losses, deep supervision, schedules, patch sampling and the loop."""
