"""clovaai/deep-text-recognition-benchmark, None-VGG-BiLSTM-CTC, and EasyOCR's second generation, which is made of it.

Batch norms stand behind convolutions 4 and 5, the later poolings are plain, and one more linear layer classifies.
"""

from crnn.model.layouts.family import Family, StateDict, add_neutral_batch_norms, fold_batch_norm, in_a_row, renamed

STACK = "FeatureExtraction.ConvNet"
CONVOLUTIONS = (0, 3, 6, 8, 11, 14, 18)  # places in its nn.Sequential
LAST = "SequenceModeling.1.linear"


def _convert(state: StateDict) -> StateDict:
    for i in (11, 14):
        fold_batch_norm(state, f"{STACK}.{i}", f"{STACK}.{i + 1}")
    last, classifier = ((state.pop(f"{name}.weight"), state.pop(f"{name}.bias")) for name in (LAST, "Prediction"))
    state[f"{LAST}.weight"], state[f"{LAST}.bias"] = in_a_row(last, classifier)
    names = {f"{STACK}.{place}.": f"cnn.conv{i}." for i, place in enumerate(CONVOLUTIONS)}
    for i in (0, 1):
        names[f"SequenceModeling.{i}.linear."] = f"rnn.{i}.embedding."
        names[f"SequenceModeling.{i}.rnn."] = f"rnn.{i}.rnn."
    state = renamed(state, names)
    add_neutral_batch_norms(state)
    return state


FAMILY = Family(
    name="dtrb",
    landmarks=(f"{STACK}.18.weight", "SequenceModeling.1.rnn.weight_ih_l0_reverse", "Prediction.weight"),
    convert=_convert,
    pooling="plain",
)
