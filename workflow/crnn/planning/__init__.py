"""Bucket plans: which widths, and how many words of each in a call, read given words in the least time."""
