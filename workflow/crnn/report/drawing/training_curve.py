"""The figures of a training run: loss and validation accuracy over the words learned from."""

import json
from pathlib import Path

import altair as alt
import polars as pl

from crnn.core.errors import UserError
from crnn.report.drawing.charts import Figure, colour_of, drawn_alone, figure, lines, x_axis, y_axis
from crnn.report.drawing.palette import light
from crnn.report.format import count
from crnn.report.inputs import Object


def read_log(path: Path) -> list[Object]:
    """The entries of a log.jsonl. Raises UserError where it has none."""
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if not entries:
        raise UserError(f"{path}: has no entries; the run was shorter than a step")
    return entries


def _curve(rows: list[Object], field: str, title: str) -> alt.Chart:
    x = x_axis("words", "words learned from", format="~s", ticks=6, grid=False)
    return lines(pl.DataFrame(rows), 36).encode(x=x, y=y_axis(field, title, zero=False))


def _accuracy(entries: list[Object]) -> alt.Chart:
    """The accuracy of each validation set."""
    rows = [
        {"words": entry["words"], "accuracy": 100 * accuracy, "set": name}
        for entry in entries
        for name, accuracy in entry["accuracy"].items()
    ]
    names = list(dict.fromkeys(row["set"] for row in rows))
    return _curve(rows, "accuracy", "validation accuracy (%)").encode(color=colour_of("set", names))


def training(model: str, entries: list[Object]) -> Figure:
    """Validation accuracy for the page; `entries` as `read_log` returns them."""
    last = entries[-1]
    ends = ", ".join(f"{name} {accuracy * 100:.1f} %" for name, accuracy in last["accuracy"].items())
    caption = (
        f"The log beside the checkpoint of {model}: {count(last['words'])} words, loss {last['loss']:.3g}, {ends}."
    )
    return figure(f"Training of {model}", _accuracy(entries), caption)


def training_curve(entries: list[Object]) -> str:
    """An SVG of two panels over one axis: the smoothed training loss, and the accuracy of each validation set."""
    losses = [{name: entry[name] for name in ("words", "loss")} for entry in entries]
    loss = _curve(losses, "loss", "training loss").encode(color=alt.value(light("muted")))
    panels = [panel.properties(width=560, height=200) for panel in (loss, _accuracy(entries))]
    return drawn_alone(alt.vconcat(*panels).resolve_scale(x="shared"))
