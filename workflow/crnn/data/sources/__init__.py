"""Other dataset forms, read as (image file bytes, label) pairs for `crnn.data.lmdb.write_words`; and fetching them.

Not here: the LMDB itself (`crnn.data.lmdb`), decoding images (`crnn.data.preprocess`).
"""
