"""How the report writes numbers, sizes and text for people. The only place that rounds: programs get exact numbers."""

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from rapidfuzz.distance import Levenshtein

from crnn.score.budgets import Verdict

ABSENT = "—"  # a value that was not measured or not published
NARROW_SPACE = "\u202f"  # before a unit, and never the end of a line
NEXT_TO_NOTHING = 0.05  # share of multiplications in 8 bits below which a row is not called int8
VISIBLE = {  # what stands for a character that cannot be seen; U+2400 on are pictures of the C0 controls
    **{code: chr(0x2400 + code) for code in range(0x20)},
    **{code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029, *range(0xD800, 0xE000))},
}


def count(value: float | None) -> str:
    """A whole number with thousands apart: 3000 → 3,000."""
    return ABSENT if value is None else f"{value:,.0f}"


def percent(fraction: float | None) -> str:
    """A fraction in [0, 1] as percent with two decimals: one word of 3000 is 0.03 %."""
    return ABSENT if fraction is None else f"{fraction * 100:.2f}{NARROW_SPACE}%"


def precision(row: Mapping[str, Any]) -> str:
    """The precision of a row; of a quantised one with the share of its multiplications that is in 8 bits."""
    share = row.get("eight_bit_share")
    if share is None:
        return str(row["precision"])
    told = f"{share * 100:.0f}{NARROW_SPACE}% of its multiplications in 8 bits"
    return f"{row['precision']}, {told}" if share >= NEXT_TO_NOTHING else f"{row['precision']} in name only: {told}"


def percent_range(bounds: Sequence[float]) -> str:
    """Two fractions as a percent interval: (0.74, 0.77) → 74.0 to 77.0."""
    return f"{bounds[0] * 100:.1f} to {bounds[1] * 100:.1f}"


def points(fraction: float | None) -> str:
    """A difference of two fractions in percentage points, with its sign: -0.0123 → −1.23."""
    if fraction is None:
        return ABSENT
    rounded = f"{fraction * 100:+.2f}".replace("-", "−")
    return "±0.00" if float(rounded[1:]) == 0 else rounded


def ratio(value: float) -> str:
    """How many times as fast: 1.25 → × 1.25."""
    return f"×{NARROW_SPACE}{value:.2f}"


def decimals(value: float) -> str:
    """A plain number with four decimals."""
    return f"{value:.4f}"


def significant(value: float | None) -> str:
    """About three significant digits without an exponent: 0.01234 → 0.0123, 1234.5 → 1,234."""
    if not value:
        return ABSENT if value is None else "0"
    places = max(0, 3 - len(str(int(abs(value))))) if abs(value) >= 1 else 2 - int(f"{value:e}"[-3:])
    return f"{value:,.{min(places, 9)}f}"


def seconds(value: float | None) -> str:
    """A duration in seconds."""
    return ABSENT if value is None else f"{significant(value)}{NARROW_SPACE}s"


def probability(value: float | None) -> str:
    """A p-value: two significant digits, and a bound where the digits would mean nothing."""
    if value is None:
        return ABSENT
    return "< 0.001" if value < 0.001 else f"{value:.2g}"


def difference(value: float | None) -> str:
    """A largest absolute difference, in scientific notation."""
    if not value:
        return ABSENT if value is None else "0"
    return f"{value:.1e}"


def file_size(value: float) -> str:
    """Bytes in binary units: 8401234 → 8.0 MiB."""
    if value < 1024:
        return f"{value:.0f}{NARROW_SPACE}B"
    for unit in ("KiB", "MiB"):
        value /= 1024
        if value < 1024:
            return f"{value:.1f}{NARROW_SPACE}{unit}"
    return f"{value / 1024:.1f}{NARROW_SPACE}GiB"


def figures(value: float | Sequence[float] | None, unit: str = "") -> str:
    """A published figure as its source states it: one number, or two for a range."""
    if value is None:
        return ABSENT
    numbers = [value] if isinstance(value, int | float) else list(value)
    return " to ".join(f"{number:,g}" for number in numbers) + (f"{NARROW_SPACE}{unit}" if unit else "")


def moment(value: str) -> str:
    """An ISO 8601 time to the minute: 2026-05-01T09:30:12+00:00 → 2026-05-01 09:30."""
    return f"{datetime.fromisoformat(value):%Y-%m-%d %H:%M}"


def settings(record: Mapping[str, Any]) -> str:
    """The parameters in a stage's record that its command line does not show as they are, a line of JSON each."""
    dumped = ((name, partial(json.dumps, value, ensure_ascii=False)) for name, value in record["parameters"].items())
    return "\n".join(
        visible(f"{name}: {dump()}")
        for name, dump in dumped
        if f"--{name}={dump(sort_keys=True, separators=(',', ':'))}" not in record["command"]
    )


command = shlex.join  # a command line as one would type it

BUDGETS = {  # of `crnn.score.budgets`: in words, and how their values are written
    "accuracy_drop": ("accuracy lost against the reference", percent),
    "flipped": ("words that differ from the reference", percent),
    "changed_by_surgery": ("words that surgery changed", count),
    "max_abs_difference": ("largest output difference made by surgery", difference),
    "changed_by_batching": ("words whose text depends on the batch", count),
    "changed_by_repeating": ("words with another text in a timed pass", count),
    "memory_mib": ("MiB in memory while it reads", count),
    "slowdown": ("longer end-to-end pass, at least", percent),
}


def budget(verdict: Verdict) -> str:
    """A verdict in words: what is limited, its value and what is allowed."""
    limited, written = BUDGETS[verdict.budget]
    return f"{limited} {written(verdict.value)}, allowed {written(verdict.allowed)}"


FLIP_KINDS = {"fixed": "gained", "broken": "lost"}  # as files call them, and as people read them


def flip_kind(kind: str) -> str:
    """What happened to a flipped word: gained, lost or changed."""
    return FLIP_KINDS.get(kind, kind)


def visible(text: str) -> str:
    """Text with control characters, line ends and lone surrogates made visible; all else as it is."""
    return text.translate(VISIBLE)


def compared(text: str, other: str) -> list[tuple[str, bool]]:
    """Split `text` into (piece, differs) runs against `other`, along a shortest edit path (Levenshtein)."""
    return [
        (visible(text[edit.src_start : edit.src_end]), edit.tag != "equal")
        for edit in Levenshtein.opcodes(text, other)
        if edit.src_end > edit.src_start
    ]
