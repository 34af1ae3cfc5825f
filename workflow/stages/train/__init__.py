"""Checkpoints of your own."""
