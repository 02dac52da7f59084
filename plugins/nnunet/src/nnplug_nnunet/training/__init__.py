"""nnU-Net 2.8.1's training: losses, deep supervision, schedules, patch sampling and the loop."""
