"""Words and tensors."""
