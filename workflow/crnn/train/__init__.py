"""Training a CRNN on rendered words: recipe → stream of batches → steps → weights.

`recipe` is what a person decides; `stream` renders the words in worker processes and cuts them into batches whose
order depends on nothing but the recipe, and `pool` keeps them for a device that learns faster, to be learned from again
in other `looks`; `steps` is the optimiser's side of a batch, and `convolution` what of it takes
longest on a CPU; `state` is everything that a run needs to go on after it was killed; `validate` reads words with the
weights of the moment; `loop` ties these together.

Not here: how a word looks (`crnn.render`), its tensor (`crnn.tensors`), the network (`crnn.network`). Only `pool`,
`looks`, `steps`, `convolution`, `state`, `validate` and `loop` need PyTorch, so that worker processes start without it.
"""
