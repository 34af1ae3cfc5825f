"""Other dataset forms, read as (image file bytes, label) pairs for `crnn.words.write_words`; and fetching them.

Not here: the LMDB itself (`crnn.words`), decoding words for the network (`crnn.tensors`).
"""
