"""Words and their tensors: LMDB, labels, widths, preprocessing, parts, other sources, rendering.

Not here: the network (`crnn.model`).
"""
