"""Reading a validation set with the weights of the moment."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from crnn.data.decode import Pixels
from crnn.data.labels import LabelPolicy
from crnn.data.lmdb import Words
from crnn.data.preprocess import Preprocess, normalise
from crnn.data.tensors import prepare
from crnn.model.charset import Charset
from crnn.model.decoding import greedy_decode
from crnn.model.network import CRNN
from crnn.train.steps import log_probabilities

BATCH = 64


@dataclass(frozen=True)
class ValidationSet:
    """Readable words of a dataset with a label, in memory: batches of uint8 tensors of one width with their texts."""

    batches: list[list[tuple[Pixels, str]]]

    @classmethod
    def read(cls, words: Path, preprocess: Preprocess, policy: LabelPolicy) -> "ValidationSet":
        """Prepare an LMDB. Raises UserError where it is none."""
        by_width: dict[int, list[tuple[Pixels, str]]] = {}
        with Words(words) as reader:
            for word in reader:
                sample, pixels = prepare(word, preprocess, policy)
                if pixels is not None and sample.status == "ok":
                    by_width.setdefault(sample.tensor_width, []).append((pixels, sample.text))
        return cls([bucket[n : n + BATCH] for bucket in by_width.values() for n in range(0, len(bucket), BATCH)])

    def __len__(self) -> int:
        return sum(map(len, self.batches))

    def accuracy(self, network: CRNN, charset: Charset, device: torch.device) -> float:
        """Share of words that the network reads exactly, in evaluation mode and in the precision of training."""
        network.eval()
        correct = 0
        with torch.inference_mode():
            for words in self.batches:
                images = torch.from_numpy(normalise(np.stack([pixels for pixels, _ in words]))).to(device)
                texts, _ = greedy_decode(log_probabilities(network, images).cpu().numpy(), charset)
                correct += sum(text == expected for text, (_, expected) in zip(texts, words, strict=True))
        network.train()
        return correct / len(self)
