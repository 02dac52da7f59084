"""Converters of layouts of other programs, whose images stay in place."""
