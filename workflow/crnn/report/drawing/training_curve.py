"""The figures of a training run: loss and validation accuracy over the words learned from."""

import json
from itertools import cycle
from pathlib import Path

import altair as alt
import polars as pl

from crnn.core.errors import UserError
from crnn.report.drawing.charts import Figure, colour_of, drawn_alone, figure, lines, x_axis, y_axis
from crnn.report.drawing.palette import SERIES
from crnn.report.format import count
from crnn.report.inputs import Object

WIDTH, HEIGHT = 560, 200  # pixels of one panel


def read_log(path: Path) -> list[Object]:
    """The entries of a log.jsonl. Raises UserError where it has none."""
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if not entries:
        raise UserError(f"{path}: has no entries; the run was shorter than a step")
    return entries


def _accuracies(entries: list[Object]) -> pl.DataFrame:
    """A row per entry and validation set: words, accuracy in percent, set."""
    return pl.DataFrame(
        [
            {"words": entry["words"], "accuracy": 100 * accuracy, "set": name}
            for entry in entries
            for name, accuracy in entry["accuracy"].items()
        ]
    )


def training(model: str, entries: list[Object]) -> Figure:
    """Validation accuracy for the page; `entries` as `read_log` returns them."""
    table = _accuracies(entries)
    chart = lines(table, 36).encode(
        x=x_axis("words", "words learned from", format="~s", ticks=6, grid=False),
        y=y_axis("accuracy", "validation accuracy (%)", zero=False),
        color=colour_of("set", dict(zip(table["set"].unique(maintain_order=True), cycle(SERIES), strict=False)), 2),
    )
    last = entries[-1]
    ends = ", ".join(f"{name} {accuracy * 100:.1f} %" for name, accuracy in last["accuracy"].items())
    caption = (
        f"The log beside the checkpoint of {model}: {count(last['words'])} words, loss {last['loss']:.3g}, {ends}."
    )
    return figure(f"Training of {model}", chart, caption)


def training_curve(entries: list[Object]) -> str:
    """An SVG of two panels over one axis: the smoothed training loss, and the accuracy of each validation set."""
    losses = pl.DataFrame({name: [entry[name] for entry in entries] for name in ("words", "loss")})
    accuracies = _accuracies(entries)
    loss = _panel(losses, "loss", "training loss").encode(color=alt.value(SERIES[1]))
    names = accuracies["set"].unique().sort().to_list()
    scale = alt.Scale(domain=names, range=[SERIES[0], SERIES[2], *SERIES[3:]][: len(names)])
    accuracy = _panel(accuracies, "accuracy", "validation accuracy (%)").encode(color=alt.Color("set:N", scale=scale))
    return drawn_alone(alt.vconcat(loss, accuracy).resolve_scale(x="shared"))


def _panel(table: pl.DataFrame, field: str, title: str) -> alt.Chart:
    x = alt.X("words", title="words learned from", axis=alt.Axis(format="~s"))
    y = alt.Y(field, title=title, scale=alt.Scale(zero=False))
    chart: alt.Chart = alt.Chart(table, width=WIDTH, height=HEIGHT).mark_line(point=True).encode(x=x, y=y)
    return chart
