"""Characters and classes: the charset, greedy CTC decoding.

Not here: what counts as the same text (`crnn.data.labels`), the network.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crnn.core.errors import UserError

BLANK = 0  # CTC blank, class 0 in every CRNN since Shi et al. (arXiv:1507.05717)


@dataclass(frozen=True)
class Charset:
    """The characters of a network, in class order: class 0 is the CTC blank, class i is `characters[i - 1]`."""

    characters: str

    def __post_init__(self) -> None:
        repeated = sorted({c for c in self.characters if self.characters.count(c) > 1})
        if not self.characters or repeated:
            raise UserError(
                f"charset {self.characters!r}: needs at least one character, none twice (twice: {repeated})"
            )

    @property
    def classes(self) -> int:
        """Number of network outputs per time step, the blank included."""
        return len(self.characters) + 1

    def encode(self, text: str) -> list[int]:
        """Return the class of each character. Raises UserError on a character outside the charset."""
        try:
            return [self.characters.index(character) + 1 for character in text]
        except ValueError:
            outside = sorted(set(text) - set(self.characters))
            raise UserError(f"text {text!r}: {outside} not in charset {self.characters!r}") from None


def steps_needed(text: str) -> int:
    """Fewest CTC time steps that can spell `text`: its length, and a blank between equal neighbours."""
    return len(text) + sum(first == second for first, second in itertools.pairwise(text))


def greedy_decode(log_probabilities: npt.NDArray[np.float32], charset: Charset) -> tuple[list[str], list[float]]:
    """Best-path CTC decoding of a batch (Graves et al., ICML 2006, section 3.2).

    `log_probabilities`: float [T, N, C]. Returns N texts and N confidences in [0, 1]: the probability of the best
    path, that is the product over all steps of the largest probability (as PARSeq reports for CTC models).
    Raises UserError where C is not the charset's number of classes, or the output is not a number.
    """
    if log_probabilities.shape[2] != charset.classes:
        raise UserError(
            f"the model has {log_probabilities.shape[2]} classes, the charset {charset.classes} (its characters and "
            f"the blank); set models.<name>.charset to the one the model was trained with"
        )
    classes = log_probabilities.argmax(axis=2)
    best = np.take_along_axis(log_probabilities, classes[:, :, None], axis=2)[:, :, 0]
    confidences = np.exp(best.astype(np.float64).sum(axis=0)).clip(0.0, 1.0)
    if not np.isfinite(best).all():
        raise UserError("the model's output is not a number (NaN or infinite); the build is broken")
    new = np.ones(classes.shape, bool)
    new[1:] = classes[1:] != classes[:-1]
    emitted = new & (classes != BLANK)
    alphabet = np.array(["", *charset.characters])
    texts = ["".join(alphabet[classes[emitted[:, n], n]]) for n in range(classes.shape[1])]
    return texts, confidences.tolist()
