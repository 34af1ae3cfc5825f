"""Greedy CTC decoding: log-probabilities to texts and confidences."""

import numpy as np
import numpy.typing as npt

from crnn.core.errors import UserError
from crnn.model.charset import BLANK, Charset


def greedy_decode(log_probabilities: npt.NDArray[np.float32], charset: Charset) -> tuple[list[str], list[float]]:
    """Best-path CTC decoding of a batch (Graves et al., ICML 2006, section 3.2).

    `log_probabilities`: float [T, N, C]. Returns N texts and N confidences in [0, 1]: the probability of the best
    path, that is the product over all steps of the largest probability (as PARSeq reports for CTC models).
    Raises UserError where C is not the charset's number of classes, or the output is not a number.
    """
    steps, words, classes = log_probabilities.shape
    charset.check_classes(classes)
    best = log_probabilities.reshape(-1, classes).argmax(axis=1)
    highest = log_probabilities.reshape(-1)[np.arange(steps * words) * classes + best].reshape(steps, words)
    confidences = np.exp(highest.sum(axis=0, dtype=np.float64)).clip(0.0, 1.0)
    if not np.isfinite(highest).all():
        raise UserError("the model's output is not a number (NaN or infinite); the build is broken")
    path = best.reshape(steps, words)
    emitted = path != BLANK
    emitted[1:] &= path[1:] != path[:-1]
    alphabet = charset.alphabet
    texts = ["".join([alphabet[place] for place in path[emitted[:, n], n].tolist()]) for n in range(words)]
    return texts, confidences.tolist()
