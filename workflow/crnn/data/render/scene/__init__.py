"""What stands around and behind letters, and how all of it is painted."""
