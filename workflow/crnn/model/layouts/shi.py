"""The ports of Shi's CRNN that share the keys of meijieru/crnn.pytorch; `CRNN` has the same."""

from crnn.model.layouts.family import Family

FAMILY = Family(
    name="shi",
    landmarks=("cnn.conv0.weight", "rnn.0.rnn.weight_ih_l0_reverse", "rnn.0.embedding.weight"),
    convert=dict,
)
