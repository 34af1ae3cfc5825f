"""Words, and the tensors that are made of them: LMDB, labels, widths, preprocessing, other sources, rendering.

Not here: the network (`crnn.model`).
"""
