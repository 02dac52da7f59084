"""Dice of whole unseen images against the time of a training: what is trained, kept, scored and shown."""
