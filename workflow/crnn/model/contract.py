"""What every model file takes and gives: facts alone, without ONNX, NumPy or PyTorch.

Not here: the height of an image and its width (`crnn.data.widths`), classes and characters (`crnn.model.charset`).
"""

INPUT, OUTPUT = "imgs", "output1"  # float32 [N, 1, 32, W] → float32 [T, N, classes]
# Three different symbols: a shared one would claim that batch, width and steps are equal.
SYMBOLS = {INPUT: {0: "N", 3: "W"}, OUTPUT: {0: "T", 1: "N"}}

# ATC reads opsets 9 to 13 in every release that is still in use; IR version 8 belongs to opset 15 and is read by all.
OPSETS = (11, 12, 13)
NEWEST_IR = 8


def output_steps(width: int) -> int:
    """Time steps T of the output for images of a width: the network halves the width twice and pads it twice."""
    return width // 4 + 1


def narrowest(steps: int) -> int:
    """The smallest width that gives so many time steps."""
    return 4 * (steps - 1)
