"""GitYCC/crnn-pytorch: batch norms behind convolutions 4 and 5, plain poolings, a linear layer before the LSTMs.

Nothing stands between its two LSTMs, where `CRNN` has a linear layer: it gets the identity.
"""

import torch

from crnn.model.layouts.family import Family, StateDict, add_neutral_batch_norms, fold_batch_norm, in_a_row, renamed


def _convert(state: StateDict) -> StateDict:
    for i in (4, 5):
        fold_batch_norm(state, f"cnn.conv{i}", f"cnn.batchnorm{i}")
    add_neutral_batch_norms(state)
    before = state.pop("map_to_seq.weight"), state.pop("map_to_seq.bias")
    for direction in ("", "_reverse"):
        weight, bias = (f"rnn1.{part}_ih_l0{direction}" for part in ("weight", "bias"))
        state[weight], state[bias] = in_a_row(before, (state[weight], state[bias]))
    features = state["rnn2.weight_ih_l0"].shape[1]
    state["rnn.0.embedding.weight"] = torch.eye(features, dtype=before[0].dtype)
    state["rnn.0.embedding.bias"] = torch.zeros(features, dtype=before[0].dtype)
    return renamed(state, {"rnn1.": "rnn.0.rnn.", "rnn2.": "rnn.1.rnn.", "dense.": "rnn.1.embedding."})


FAMILY = Family(
    name="gitycc",
    landmarks=("cnn.conv0.weight", "map_to_seq.weight", "rnn2.weight_ih_l0_reverse", "dense.weight"),
    convert=_convert,
    pooling="plain",
)
