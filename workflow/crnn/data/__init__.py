"""Words and their tensors: LMDB, labels, widths, preprocessing, parts, other sources, rendering."""
