"""Trainings that start from checkpoints of nnssl: plans, adapted weights and the settings of fine-tuning."""
