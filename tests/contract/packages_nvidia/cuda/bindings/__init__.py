"""A double of cuda.bindings 13."""
