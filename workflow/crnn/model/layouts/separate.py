"""The network of the CRNN_Dynamic recipe (Ascend/ModelZoo-PyTorch): two one-way LSTMs per layer, trained on an NPU.

Such LSTMs hold their gates in the order input, cell, forget, output: see `lstm_op_adapter` in the recipe's pth2onnx.py.
"""

from crnn.model.layouts.family import Family, StateDict


def _convert(state: StateDict) -> StateDict:
    joined = {}
    for name, tensor in state.items():
        backward = "_reverse" if ".bw_rnn." in name else ""
        joined[name.replace(".fw_rnn.", ".rnn.").replace(".bw_rnn.", ".rnn.") + backward] = tensor
    return joined


FAMILY = Family(
    name="separate",
    landmarks=("cnn.conv0.weight", "rnn.0.fw_rnn.weight_ih_l0", "rnn.0.bw_rnn.weight_ih_l0"),
    convert=_convert,
    gate_order="igfo",
)
