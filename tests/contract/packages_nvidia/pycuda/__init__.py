"""A double of pycuda 2026.1."""
