"""A trainer with optimisers, schedules and starts beside nnU-Net's, and the recipes `fast` and `best`."""
