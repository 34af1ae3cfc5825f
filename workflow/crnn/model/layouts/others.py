"""Recognisers that are no CRNN of a known family: told by their keys, so that an error can say what to do with them."""

import re
from collections.abc import Iterable

AS_ONNX = "export it to ONNX where it was made, and name that file as models.<name>.onnx"
NO_CTC = "only CTC models can be deployed here, and it spells its texts otherwise"
# A key of theirs; what they are; what can be done.
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
