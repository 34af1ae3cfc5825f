"""courao/ocr.pytorch: the network of `shi` with its convolutions numbered as in VGG."""

from crnn.model.layouts.family import Family, StateDict, renamed

CONVOLUTIONS = ("conv1", "conv2", "conv3_1", "conv3_2", "conv4_1", "conv4_2", "conv5")
BATCH_NORMS = {"bn3": 2, "bn4": 4, "bn5": 6}


def _convert(state: StateDict) -> StateDict:
    convolutions = {f"{name}.": f"cnn.conv{i}." for i, name in enumerate(CONVOLUTIONS)}
    return renamed(state, convolutions | {f"{name}.": f"cnn.batchnorm{i}." for name, i in BATCH_NORMS.items()})


FAMILY = Family(
    name="courao",
    landmarks=("conv3_1.weight", "conv5.weight", "rnn.0.rnn.weight_ih_l0_reverse"),
    convert=_convert,
)
