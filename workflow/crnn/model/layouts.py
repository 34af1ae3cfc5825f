"""The layouts in which people save the weights of a CRNN, one for each family of code that trains them.

Each becomes that of `crnn.model.network.CRNN`, exactly: for every image the outputs are the same but for rounding.
State dicts are float64 here. To add a family, put it into FAMILIES; docs/checkpoints.md has its row.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from crnn.model.contract import Blank
from crnn.model.network import BATCH_NORM_AFTER, Pooling

StateDict = dict[str, Tensor]
GateOrder = Literal["ifgo", "igfo"]
Linear = tuple[Tensor, Tensor]  # weight [outputs, inputs], bias [outputs]

EPSILON = 1e-5  # of nn.BatchNorm2d


@dataclass(frozen=True)
class Family:
    """Checkpoints of one code base.

    landmarks: keys that together no other family has; keys: beginnings of its keys → those of `CRNN`; folded:
    convolution → its batch norm, which `CRNN` lacks there; prepare: what else changes, before keys are renamed;
    pooling, gate_order, blank: what its networks usually have, for no key tells them.
    """

    name: str
    landmarks: tuple[str, ...]
    keys: Mapping[str, str] = field(default_factory=dict)
    folded: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[StateDict], StateDict] = dict
    pooling: Pooling = "padded"
    gate_order: GateOrder = "ifgo"
    blank: Blank = "first"

    def prefixes(self, keys: Collection[str]) -> list[str]:
        """What stands before the keys of this family, such as `module.`: once for each network among `keys`."""
        first, *others = self.landmarks
        ends = (key.removesuffix(first) for key in keys if f".{key}".endswith(f".{first}"))
        return [prefix for prefix in ends if all(prefix + other in keys for other in others)]

    def convert(self, state: StateDict) -> StateDict:
        """A state dict of the family, which may be changed, as that of `CRNN`; gates and classes in the file's order.

        Keys of no family stay, and are then refused by name. Raises KeyError for a key that is missing.
        """
        for convolution, norm in self.folded.items():
            _fold_batch_norm(state, convolution, norm)
        state = {self._renamed(name): tensor for name, tensor in self.prepare(state).items()}
        if self.folded:
            _add_neutral_batch_norms(state)
        return state

    def _renamed(self, name: str) -> str:
        old = next((old for old in self.keys if name.startswith(old)), "")
        return self.keys.get(old, "") + name.removeprefix(old)


def _fold_batch_norm(state: StateDict, convolution: str, norm: str) -> None:
    """Let `convolution` do what the batch norm behind it did."""
    gain, shift, mean, variance = (
        state.pop(f"{norm}.{part}") for part in ("weight", "bias", "running_mean", "running_var")
    )
    state.pop(f"{norm}.num_batches_tracked", None)
    factor = gain / (variance + EPSILON).sqrt()
    bias = state.get(f"{convolution}.bias", torch.zeros_like(mean))
    state[f"{convolution}.weight"] = state[f"{convolution}.weight"] * factor.view(-1, 1, 1, 1)
    state[f"{convolution}.bias"] = (bias - mean) * factor + shift


def _add_neutral_batch_norms(state: StateDict) -> None:
    """Add the batch norms of `CRNN` to a network that has none; they change nothing."""
    for i in BATCH_NORM_AFTER:
        ones = torch.ones_like(state[f"cnn.conv{i}.bias"])
        state[f"cnn.batchnorm{i}.weight"] = ones * (1 + EPSILON) ** 0.5
        state[f"cnn.batchnorm{i}.bias"] = state[f"cnn.batchnorm{i}.running_mean"] = 0 * ones
        state[f"cnn.batchnorm{i}.running_var"] = ones


def _in_a_row(first: Linear, second: Linear) -> Linear:
    """Two linear layers, one behind the other, as one."""
    return second[0] @ first[0], second[0] @ first[1] + second[1]


def _join_directions(state: StateDict) -> StateDict:
    joined = {}
    for name, tensor in state.items():
        backward = "_reverse" if ".bw_rnn." in name else ""
        joined[name.replace(".fw_rnn.", ".rnn.").replace(".bw_rnn.", ".rnn.") + backward] = tensor
    return joined


def _merge_classifiers(state: StateDict) -> StateDict:
    last = "SequenceModeling.1.linear"
    layers = ((state.pop(f"{name}.weight"), state.pop(f"{name}.bias")) for name in (last, "Prediction"))
    weight, bias = _in_a_row(*layers)
    return state | {f"{last}.weight": weight, f"{last}.bias": bias}


def _add_biases(state: StateDict) -> StateDict:
    for i in BATCH_NORM_AFTER:
        state.setdefault(f"cnn.conv{i}.bias", torch.zeros_like(state[f"cnn.batchnorm{i}.bias"]))
    return state


def _move_linear_layer(state: StateDict) -> StateDict:
    before = state.pop("map_to_seq.weight"), state.pop("map_to_seq.bias")
    for direction in ("", "_reverse"):
        weight, bias = (f"rnn1.{part}_ih_l0{direction}" for part in ("weight", "bias"))
        state[weight], state[bias] = _in_a_row(before, (state[weight], state[bias]))
    features = state["rnn2.weight_ih_l0"].shape[1]
    between = torch.eye(features, dtype=before[0].dtype), torch.zeros(features, dtype=before[0].dtype)
    return state | dict(zip(("rnn.0.embedding.weight", "rnn.0.embedding.bias"), between, strict=True))


DTRB_STACK = "FeatureExtraction.ConvNet"
DTRB_CONVOLUTIONS = (0, 3, 6, 8, 11, 14, 18)  # places in its nn.Sequential
COURAO_CONVOLUTIONS = ("conv1", "conv2", "conv3_1", "conv3_2", "conv4_1", "conv4_2", "conv5")

FAMILIES = (
    # The ports of Shi's CRNN that share the keys of meijieru/crnn.pytorch.
    Family("shi", ("cnn.conv0.weight", "rnn.0.rnn.weight_ih_l0_reverse", "rnn.0.embedding.weight")),
    # The CRNN_Dynamic recipe (Ascend/ModelZoo-PyTorch): two one-way LSTMs per layer, trained on an NPU. Such LSTMs hold
    # their gates in the order input, cell, forget, output: see `lstm_op_adapter` in the recipe's pth2onnx.py.
    Family(
        "separate",
        ("cnn.conv0.weight", "rnn.0.fw_rnn.weight_ih_l0", "rnn.0.bw_rnn.weight_ih_l0"),
        prepare=_join_directions,
        gate_order="igfo",
    ),
    # clovaai/deep-text-recognition-benchmark, None-VGG-BiLSTM-CTC, and EasyOCR's second generation, which is made of
    # it: batch norms behind convolutions 4 and 5, plain poolings, one more linear layer that classifies.
    Family(
        "dtrb",
        (f"{DTRB_STACK}.18.weight", "SequenceModeling.1.rnn.weight_ih_l0_reverse", "Prediction.weight"),
        keys={f"{DTRB_STACK}.{place}.": f"cnn.conv{i}." for i, place in enumerate(DTRB_CONVOLUTIONS)}
        | {f"SequenceModeling.{i}.linear.": f"rnn.{i}.embedding." for i in (0, 1)}
        | {f"SequenceModeling.{i}.rnn.": f"rnn.{i}.rnn." for i in (0, 1)},
        folded={f"{DTRB_STACK}.{i}": f"{DTRB_STACK}.{i + 1}" for i in (11, 14)},
        prepare=_merge_classifiers,
        pooling="plain",
    ),
    # MMOCR 1.x has the blank behind the characters.
    Family(
        "mmocr",
        ("backbone.cnn.conv0.weight", "decoder.decoder.0.rnn.weight_ih_l0_reverse"),
        keys={"backbone.cnn.": "cnn.", "decoder.decoder.": "rnn."},
        blank="last",
    ),
    # baudm/parseq, trained on colour images: convolutions before a batch norm have no bias.
    Family(
        "parseq",
        ("cnn.conv0.weight", "rnn.0.rnn.weight_ih_l0_reverse", "rnn.0.linear.weight"),
        keys={f"rnn.{i}.linear.": f"rnn.{i}.embedding." for i in (0, 1)},
        prepare=_add_biases,
    ),
    # GitYCC/crnn-pytorch: batch norms behind convolutions 4 and 5, plain poolings, a linear layer before the LSTMs and
    # none between them, where `CRNN` gets the identity.
    Family(
        "gitycc",
        ("cnn.conv0.weight", "map_to_seq.weight", "rnn2.weight_ih_l0_reverse", "dense.weight"),
        keys={"rnn1.": "rnn.0.rnn.", "rnn2.": "rnn.1.rnn.", "dense.": "rnn.1.embedding."},
        folded={f"cnn.conv{i}": f"cnn.batchnorm{i}" for i in (4, 5)},
        prepare=_move_linear_layer,
        pooling="plain",
    ),
    # courao/ocr.pytorch: the network of `shi` with its convolutions numbered as in VGG.
    Family(
        "courao",
        ("conv3_1.weight", "conv5.weight", "rnn.0.rnn.weight_ih_l0_reverse"),
        keys={f"{name}.": f"cnn.conv{i}." for i, name in enumerate(COURAO_CONVOLUTIONS)}
        | {"bn3.": "cnn.batchnorm2.", "bn4.": "cnn.batchnorm4.", "bn5.": "cnn.batchnorm6."},
    ),
)
LAYOUTS = tuple(family.name for family in FAMILIES)

AS_ONNX = "export it to ONNX where it was made, and name that file as models.<name>.onnx"
NO_CTC = "only CTC models can be deployed here, and it spells its texts otherwise"
# Recognisers that are no CRNN of a known family: a key of theirs; what they are; what can be done.
OTHERS = (
    (r"attention_cell|\battn\b|cross_attn|self_attn|\bSEQ_?Decoder", "an attention model", NO_CTC),
    (r"LocalizationNetwork|GridGenerator|\btps\b|\bstn", "a recogniser that straightens words first (TPS)", AS_ONNX),
    (r"\bfeat_extractor\.", "docTR's CRNN, another network with the blank last", AS_ONNX),
    (r"ConvNet\.(conv0_1|layer1)|\bres[1-4]|\blayer[1-4]\.", "a recogniser of residual blocks", AS_ONNX),
)


def other_network(keys: Iterable[str]) -> str | None:
    """What a network is by its keys and what can be done with it; None where it is not known."""
    text = "\n".join(keys)
    return next((f"{what}: {remedy}" for pattern, what, remedy in OTHERS if re.search(pattern, text)), None)
