"""Which node turned a word, of two models of one recogniser: by bisection, in ONNX Runtime.

The second model reads the word from a cut on, with the first one's tensors put in. At the input that gives its own
text, at the output that of the first. Between two neighbouring cuts the text turns: what is between them did it. Where
it takes many small changes to turn a word, as in another precision, it is the node that completes them.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import onnx

from crnn.model.cuts import Cut, computing, shared_cuts, tail
from crnn.runtimes.onnxruntime.observe import Array, Run, opened

MOST_TAILS = 64  # sessions that are kept


class Bisection:
    """Two models, and how the first one's text of a word becomes the second's. read: log-probabilities → text."""

    def __init__(
        self, first: onnx.ModelProto, second: onnx.ModelProto, read: Callable[[Array], str], threads: int = 1
    ) -> None:
        self._first, self._second, self._read = first, second, read
        self._cuts = shared_cuts(second, first)
        names = dict.fromkeys(name for cut in self._cuts for name in cut.tensors)
        self._observe = opened(first, names, threads)
        self._rest = lru_cache(MOST_TAILS)(lambda place: _opened_rest(second, self._cuts[place], threads))
        self._output = second.graph.output[0].name

    def nodes(self, image: Array) -> list[onnx.NodeProto]:
        """The nodes that turn the text of an image [1, channels, height, W]; none where both read it alike."""
        inside = {self._first.graph.input[0].name: image}
        inside |= self._observe(inside)
        text = self._read(inside[self._first.graph.output[0].name])
        low, high = 0, len(self._cuts) - 1
        if self._text(low, inside) == text:
            return []
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._text(middle, inside) == text else (middle, high)
        return list(computing(self._second, self._cuts[low], self._cuts[high]))

    def _text(self, place: int, inside: dict[str, Array]) -> str:
        """What the second model reads with the first one's tensors at a cut."""
        run, types = self._rest(place)
        return self._read(run({name: inside[name].astype(kind) for name, kind in types.items()})[self._output])


def _opened_rest(model: onnx.ModelProto, cut: Cut, threads: int) -> tuple[Run, dict[str, Any]]:
    """What runs the nodes behind a cut, and the type of each tensor that it takes."""
    rest = tail(model, cut)
    kinds = {entry.name: entry.type.tensor_type.elem_type for entry in rest.graph.input}
    types = {name: onnx.helper.tensor_dtype_to_np_dtype(kind) for name, kind in kinds.items()}
    return opened(rest, (), threads), types
