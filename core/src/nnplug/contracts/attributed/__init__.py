"""Wrappers that check what a component gives, and attribute its errors to it in any thread or process."""
