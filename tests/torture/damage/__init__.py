"""Damage files at random and see what the commands that read them do."""
