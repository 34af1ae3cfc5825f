"""Other dataset forms, read as (image file bytes, label) pairs for `crnn.data.lmdb.write_words`; and fetching them."""
