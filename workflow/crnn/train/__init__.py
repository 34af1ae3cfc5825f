"""Training a CRNN on rendered words: settings → stream of batches → steps → weights.

`settings` is what a person decides; `stream` renders the words in worker processes and cuts them into batches whose
order depends on nothing but the settings; `pool` keeps them instead for a device that learns faster, which learns from
each again in other `looks`; `steps` is the optimiser's side of a batch, and `convolution` what of it takes longest on
a CPU; `state` is everything that a run needs to go on after it was killed; `validate` reads words with the weights of
the moment; `loop` ties these together.
"""
