"""Parts of a dataset: neighbouring words that one job prepares and reads."""

import re
from dataclasses import dataclass

from crnn.core.errors import UserError


@dataclass(frozen=True)
class Part:
    """Part `number` of `of`, counted from 1. Parts are equal to within a word; there may be more parts than words."""

    number: int
    of: int

    @classmethod
    def from_text(cls, text: str) -> "Part":
        """Argparse type: `2/3`. Raises UserError where the text is no part."""
        match = re.fullmatch(r"(\d+)/(\d+)", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise UserError(f"part {text!r}: expected its number and how many there are, such as 2/3")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def indices(self, count: int) -> range:
        """The words of this part of `count` words, as LMDB keys count them."""
        return range((self.number - 1) * count // self.of + 1, self.number * count // self.of + 1)


WHOLE = Part(1, 1)
