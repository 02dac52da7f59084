"""Measure the time that each part of a training takes, and report what limits a machine."""
