"""Which input shapes an .om file takes, and how a batch of words is fitted to them.

An .om is converted for shapes that are named beforehand: a range of batch sizes and widths, gears (a list of both) or
one shape.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from crnn.core.errors import UserError
from crnn.runtimes.runtime import checked_choice
from crnn.runtimes.shapes import asked_widths

MODES = ("range", "gears", "static")
MOST_GEARS = 100  # of --dynamic_dims; ATC, "--dynamic_dims", on every chip but the 950


@dataclass(frozen=True)
class Shapes:
    """Batch sizes and widths of a model: of a range the lowest and the highest, of gears each, else the one.

    `listed` are the gears, as (batch, width), of a model that has not every batch size at every width.
    """

    mode: str
    batches: tuple[int, ...]
    widths: tuple[int, ...]
    listed: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        gears = len(self.gears())
        if self.mode == "range" and not len(self.batches) == len(self.widths) == 2:
            raise UserError("options.batches and options.widths of a range are its lowest and its highest: two each")
        if self.mode == "range" and self.batches[0] == self.batches[1] and self.widths[0] == self.widths[1]:
            raise UserError("options.shapes is 'range', but there is one shape only; use static")
        if self.mode == "static" and gears != 1:
            raise UserError(
                f"options.shapes is 'static', which takes one shape, but the deployment asks for batch sizes "
                f"{_listed(self.batches)} and widths {_listed(self.widths)}; use a fixed width rule, or range or gears"
            )
        if self.listed and gears > MOST_GEARS:
            raise UserError(
                f"options.shapes is 'gears', of which ATC takes 2 to {MOST_GEARS}, but the plan has {len(self.widths)} "
                f"widths, with batch 1 and a larger one {gears} gears; plan fewer buckets, or use range"
            )
        if self.mode == "gears" and not 2 <= gears <= MOST_GEARS:
            raise UserError(
                f"options.shapes is 'gears', of which ATC takes 2 to {MOST_GEARS}, but {len(self.batches)} batch sizes "
                f"× {len(self.widths)} widths are {gears}; name fewer in options.batches and options.widths, give the "
                f"width rule a larger step, or use {'static' if gears == 1 else 'range'}"
            )

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> "Shapes":
        listed = tuple((batch, width) for batch, width in facts.get("listed", []))
        return cls(facts["mode"], tuple(facts["batches"]), tuple(facts["widths"]), listed)

    def facts(self) -> dict[str, Any]:
        """The shapes as JSON, which `from_facts` reads."""
        return {name: value for name, value in asdict(self).items() if value or name != "listed"}

    @property
    def of_batch_alone(self) -> bool:
        """Whether these are gears of the batch size, at one width: ATC and ais_bench have another form for them."""
        return self.mode == "gears" and len(self.widths) == 1

    def gears(self) -> list[tuple[int, int]]:
        """Every (batch, width) of a gears model."""
        return list(self.listed) or [(batch, width) for batch in self.batches for width in self.widths]

    def calls(self, count: int, width: int) -> Iterator[tuple[int, int, int]]:
        """(start, stop, batch): which words go into which call, and of what batch size the call is.

        A batch beyond the largest is split, one between two sizes is filled up. Raises UserError on a width that the
        model does not take: a word's width is never changed to suit a model, because that could change its text.
        """
        low, high = self.widths[0], self.widths[-1]
        if not (low <= width <= high if self.mode == "range" else width in self.widths):
            raise UserError(
                f"a tensor is {width} wide, but the model was converted for widths {self._described()}; build it for "
                f"the deployment's width rule again, or name this width in options.widths"
            )
        batches = [batch for batch, listed in self.listed if listed == width] or self.batches
        for start in range(0, count, max(batches)):
            words = min(max(batches), count - start)
            whole = max(words, batches[0]) if self.mode == "range" else min(each for each in batches if each >= words)
            yield start, start + words, whole

    def _described(self) -> str:
        return f"{self.widths[0]} to {self.widths[-1]}" if self.mode == "range" else _listed(self.widths)


def _listed(values: tuple[int, ...]) -> str:
    return ", ".join(map(str, values))


def _numbers(options: dict[str, Any], key: str, mode: str) -> tuple[int, ...] | None:
    """The option `key`, ascending; None where it is not given. Raises UserError where it is no list of sizes."""
    values = options.get(key)
    if values is None:
        return None
    if not isinstance(values, list) or not values or not all(type(value) is int and value >= 1 for value in values):
        raise UserError(f"options.{key} is {values!r}; expected a list of whole numbers from 1")
    return tuple(sorted(values if mode == "range" else set(values)))


def shapes_for(options: dict[str, Any]) -> Shapes:
    """The shapes that a deployment's options name, the rest taken from its `plan`, or its `batch` and `width_rule`.

    A plan gives each width a batch size; gears have that and 1 at every width.

    Raises UserError where they are missing, make no model of the wanted mode, or are too many.
    """
    mode = checked_choice(options, "shapes", MODES)
    batches, widths = _numbers(options, "batches", mode), _numbers(options, "widths", mode)
    if mode == "gears" and "plan" in options and not batches and not widths:
        plan = sorted(options["plan"].items())
        gears = [(batch, width) for width, largest in plan for batch in sorted({1, largest})]
        batches, widths = (tuple(sorted(set(sizes))) for sizes in zip(*gears, strict=True))
        return Shapes(mode, batches, widths, tuple(gears))
    return Shapes(mode, batches or _asked_batches(options, mode), widths or _asked_widths(options, mode))


def _asked_batches(options: dict[str, Any], mode: str) -> tuple[int, ...]:
    if "batch" not in options and "plan" not in options:
        raise UserError("options.batches is missing; outside the workflow name the batch sizes to convert for")
    largest = max(options["plan"].values()) if "plan" in options else options["batch"]
    return {"range": (1, largest), "gears": tuple(sorted({1, largest})), "static": (largest,)}[mode]


def _asked_widths(options: dict[str, Any], mode: str) -> tuple[int, ...]:
    if "plan" not in options and "width_rule" not in options:
        raise UserError("options.widths is missing; outside the workflow name the widths to convert for")
    widths = tuple(sorted(options["plan"])) if "plan" in options else asked_widths(options["width_rule"])
    return (widths[0], widths[-1]) if mode == "range" else widths
