"""The figure of a training run: loss and validation accuracy over the words learned from.

Not here: the log's entries (`crnn.train.loop`). Needs no PyTorch.
"""

import json
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

from crnn.core.errors import UserError
from crnn.report.drawing.charts import drawn_alone
from crnn.report.drawing.palette import SERIES

WIDTH, HEIGHT = 560, 200  # pixels of one panel


def read_log(path: Path) -> list[dict[str, Any]]:
    """The entries of a log.jsonl. Raises UserError where it has none."""
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if not entries:
        raise UserError(f"{path}: has no entries; the run was shorter than a step")
    return entries


def training_curve(entries: list[dict[str, Any]]) -> str:
    """An SVG of two panels over one axis: the smoothed training loss, and the accuracy of each validation set."""
    losses = [{"words": entry["words"], "loss": entry["loss"]} for entry in entries]
    accuracies = [
        {"words": entry["words"], "accuracy": 100 * accuracy, "set": name}
        for entry in entries
        for name, accuracy in entry["accuracy"].items()
    ]
    loss = _panel(losses, "loss", "training loss").encode(color=alt.value(SERIES[1]))
    names = sorted({row["set"] for row in accuracies})
    scale = alt.Scale(domain=names, range=[SERIES[0], SERIES[2], *SERIES[3:]][: len(names)])
    accuracy = _panel(accuracies, "accuracy", "validation accuracy (%)").encode(color=alt.Color("set:N", scale=scale))
    return drawn_alone(alt.vconcat(loss, accuracy).resolve_scale(x="shared"))


def _panel(rows: list[dict[str, Any]], field: str, title: str) -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(pl.DataFrame(rows), width=WIDTH, height=HEIGHT)
        .mark_line(point=True)
        .encode(
            x=alt.X("words:Q", title="words learned from", axis=alt.Axis(format="~s")),
            y=alt.Y(f"{field}:Q", title=title, scale=alt.Scale(zero=False)),
        )
    )
    return chart
