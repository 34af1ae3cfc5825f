"""What a cascade reads, from what each of its members reads."""

from collections.abc import Sequence
from typing import Literal

import polars as pl

Keep = Literal["last", "most-confident"]  # which reading of a word counts


def combined(readings: Sequence[pl.DataFrame], threshold: float, keep: Keep) -> pl.DataFrame:
    """What a cascade reads, from what each member reads of every word: index, text, confidence and `members`, how many
    have read it. A word that a member cannot read is null, as it is in the readings.
    """
    whole = readings[0].with_columns(members=pl.lit(1), last=pl.col("confidence"))
    for following in readings[1:]:
        beside = whole.join(following.select("index", text_next="text", confidence_next="confidence"), on="index")
        handed = pl.col("last").is_not_null() & (pl.col("last") < threshold) & pl.col("text_next").is_not_null()
        better = handed if keep == "last" else handed & (pl.col("confidence_next") >= pl.col("confidence"))
        whole = beside.select(
            "index",
            text=pl.when(better).then("text_next").otherwise("text"),
            confidence=pl.when(better).then("confidence_next").otherwise("confidence"),
            members=pl.col("members") + handed.cast(pl.Int32),
            last=pl.when(handed).then("confidence_next").otherwise(None),
        )
    return whole.drop("last").sort("index")
