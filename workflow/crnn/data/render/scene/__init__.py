"""What stands around, behind and before letters, and how all of it is painted."""
