"""Predict images with trained models."""
