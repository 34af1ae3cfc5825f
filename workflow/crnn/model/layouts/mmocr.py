"""MMOCR's CRNN: the network of `shi` under other keys. MMOCR 1.x has the blank behind the characters."""

from crnn.model.layouts.family import Family, StateDict, renamed


def _convert(state: StateDict) -> StateDict:
    return renamed(state, {"backbone.cnn.": "cnn.", "decoder.decoder.": "rnn."})


FAMILY = Family(
    name="mmocr",
    landmarks=("backbone.cnn.conv0.weight", "decoder.decoder.0.rnn.weight_ih_l0_reverse"),
    convert=_convert,
    blank="last",
)
