"""Translate the names of nnU-Net's classes into components and options."""
