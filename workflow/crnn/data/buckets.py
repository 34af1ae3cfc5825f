"""Reading a bucket plan: the width of a word, and how many words of a width go into one call."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crnn.core.command import json_object
from crnn.core.errors import UserError
from crnn.core.files import read_json

DEFAULT_BATCH = 16  # most words in a call where nothing else is said

BatchOf = Callable[[int], int]  # tensor width → most words in one call


def at_most(batch: int) -> BatchOf:
    """The same batch size for every width."""
    return lambda _: batch


@dataclass(frozen=True)
class BucketPlan:
    """A plan.json: `rule`, a width rule as an entry of the config's `widths`, and `batches`, width → batch size."""

    path: Path
    rule: dict[str, Any]
    batches: dict[int, int]

    @classmethod
    def read(cls, path: Path) -> "BucketPlan":
        """Raises UserError where plan_buckets did not write the file."""
        content = read_json(path)
        try:
            batches = {int(bucket["width"]): int(bucket["batch"]) for bucket in content["buckets"]}
            return cls(path, dict(content["rule"]), batches)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path}: is no plan of buckets ({error!r}); delete it and run again") from error

    def batch_of(self, width: int) -> int:
        """Most words of this width in one call. Raises UserError where the plan has no such width."""
        if width not in self.batches:
            widths = ", ".join(map(str, self.batches))
            raise UserError(f"{self.path}: plans widths {widths}, but a tensor is {width} wide; make the tensors again")
        return self.batches[width]


def width_settings(text: str) -> dict[str, Any]:
    """Argparse type: a width rule as JSON, or the path of a plan.json that holds one."""
    return json_object(text) if text.lstrip().startswith("{") else BucketPlan.read(Path(text)).rule


def batch_sizes(value: int | str) -> BatchOf:
    """The batch sizes that a rule passes: a number for every width, or the path of a plan.json."""
    if isinstance(value, int) or value.isdecimal():
        return at_most(int(value))
    return BucketPlan.read(Path(value)).batch_of
