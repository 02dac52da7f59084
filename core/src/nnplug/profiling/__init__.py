"""Measure where the time of a training goes, and what limits a machine."""
