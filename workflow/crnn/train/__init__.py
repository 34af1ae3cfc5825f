"""Training a CRNN on rendered words: settings → stream of batches → steps → weights."""
