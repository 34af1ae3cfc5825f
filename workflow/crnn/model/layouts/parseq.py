"""The CRNN of baudm/parseq: convolutions before a batch norm have no bias. It is trained on colour images."""

import torch

from crnn.model.layouts.family import Family, StateDict, renamed
from crnn.model.network import BATCH_NORM_AFTER


def _convert(state: StateDict) -> StateDict:
    for i in BATCH_NORM_AFTER:
        state.setdefault(f"cnn.conv{i}.bias", torch.zeros_like(state[f"cnn.batchnorm{i}.bias"]))
    return renamed(state, {f"rnn.{i}.linear.": f"rnn.{i}.embedding." for i in (0, 1)})


FAMILY = Family(
    name="parseq",
    landmarks=("cnn.conv0.weight", "rnn.0.rnn.weight_ih_l0_reverse", "rnn.0.linear.weight"),
    convert=_convert,
)
