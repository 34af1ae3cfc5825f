"""Texts and times."""
