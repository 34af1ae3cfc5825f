"""The figure of a bucket plan: words by width and the buckets they go to, what they cost, what they lose, candidates.

Not here: the plan's numbers (`crnn.planning.optimiser`), which are those of plan.json and costs.parquet.
"""

from itertools import pairwise
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from crnn.planning.accuracy_model import AccuracyModel
from crnn.report.drawing.charts import drawn_alone
from crnn.report.drawing.palette import SERIES, light

WIDTH, HEIGHT = 620, 170  # pixels of one panel
PLANNED, OTHER, EDGE = SERIES[0], SERIES[6], SERIES[1]
STANDINGS = ("the plan", "within the budget", "not within it", "every width")
HALVES = (SERIES[0], SERIES[2])  # of neighbouring buckets, by turns

Content = dict[str, Any]


def plan_figure(plan: Content, costs: pl.DataFrame) -> str:
    """An SVG of four panels, the first two over one axis, from what plan.json and costs.parquet hold."""
    edges = plan["rule"]["upto"]  # the widest true width, stretched, of each bucket
    span = [0, max(edges[-1], *map(int, plan["words"]["nearest_width"]))]
    widths = alt.vconcat(_words(plan, edges, span), _cost(plan, costs, edges, span)).resolve_scale(x="shared")
    panels = alt.vconcat(widths, _accuracy(plan), _candidates(plan), spacing=28)
    return drawn_alone(panels.resolve_scale(color="independent"))


def _x(span: list[float], title: str) -> alt.X:
    return alt.X(
        "from:Q", title=title, scale=alt.Scale(domain=span, nice=False), axis=alt.Axis(grid=False, tickCount=10)
    )


def _words(plan: Content, edges: list[float], span: list[float]) -> alt.LayerChart:
    step, last = plan["bounds"]["step"], len(edges) - 1
    rows = []
    for name, words in plan["words"]["nearest_width"].items():
        bucket = next((number for number, edge in enumerate(edges) if int(name) <= edge), last)
        rows.append(
            {"from": int(name) - step / 2, "to": int(name) + step / 2, "none": 0, "words": words, "turn": bucket % 2}
        )
    marks = [
        {"from": edge, "text": f"{bucket['width']}×{bucket['batch']}"}
        for edge, bucket in zip(edges, plan["buckets"], strict=True)
    ]
    colour = alt.Color("turn:N", scale=alt.Scale(domain=[0, 1], range=list(HALVES)), legend=None)
    room = 1.45 * max(plan["words"]["nearest_width"].values())  # for what the lines say
    words = alt.Y("words:Q", title="words", scale=alt.Scale(domain=[0, room]), axis=alt.Axis(tickCount=5))
    bars = (
        alt.Chart(pl.DataFrame(rows), width=WIDTH, height=HEIGHT)
        .mark_rect(stroke=light("paper"), strokeWidth=0.5)
        .encode(x=_x(span, ""), x2="to:Q", y=words, y2="none:Q", color=colour)
    )
    edge = alt.Chart(pl.DataFrame(marks)).mark_rule(color=EDGE).encode(x="from:Q")
    text = (
        alt.Chart(pl.DataFrame(marks))
        .mark_text(color=EDGE, angle=270, align="right", dx=-2, dy=-6, fontSize=10, y=0)
        .encode(x="from:Q", text="text:N")
    )
    return _titled(
        "Words by their true width. Lines: the widest word of each bucket, its tensor width × batch", bars, edge, text
    )


def _cost(plan: Content, costs: pl.DataFrame, edges: list[float], span: list[float]) -> alt.LayerChart:
    per_word = costs.with_columns(milliseconds=pl.col("seconds") / pl.col("batch") * 1000)
    best = per_word.group_by("width").agg(pl.col("milliseconds").min()).sort("width").rename({"width": "from"})
    paid = [
        {"from": low, "to": high, "milliseconds": bucket["seconds"] / bucket["words"] * 1000}
        for (low, high), bucket in zip(pairwise([0.0, *edges]), plan["buckets"], strict=True)
    ]
    y = alt.Y("milliseconds:Q", title="ms per word", axis=alt.Axis(tickCount=5))
    title = "true width of a word at height 32, stretched (pixels)"
    line = (
        alt.Chart(best, width=WIDTH, height=HEIGHT)
        .mark_line(color=OTHER, clip=True, point=alt.OverlayMarkDef(color=OTHER, size=36))
        .encode(x=_x(span, title), y=y)
    )
    steps = (
        alt.Chart(pl.DataFrame(paid))
        .mark_rule(color=PLANNED, strokeWidth=3)
        .encode(x=_x(span, title), x2="to:Q", y="milliseconds:Q")
    )
    return _titled("What a word costs. Gray: measured, in its best batch. Blue: in the bucket it goes to", line, steps)


def _accuracy(plan: Content) -> alt.LayerChart:
    model, most = AccuracyModel(np.array(plan["accuracy_model"])), plan["bounds"]["distortion"]
    met = [int(name) for name, words in plan["words"]["nearest_width"].items() for _ in range(words)]
    stretches = np.linspace(1 - most, 1 + most, 41)
    rows = [
        {"from": stretch, "chance": 100 * chance, "words": f"{width} columns"}
        for width in _quantiles(met)
        for stretch, chance in zip(stretches.tolist(), model(width, width * stretches).tolist(), strict=True)
    ]
    names = list(dict.fromkeys(row["words"] for row in rows))
    colour = alt.Color("words:N", scale=alt.Scale(domain=names, range=list(SERIES)), title="true width")
    lines = (
        alt.Chart(pl.DataFrame(rows), width=WIDTH, height=HEIGHT)
        .mark_line()
        .encode(
            x=_x([1 - most, 1 + most], "width of the tensor ÷ true width of the word"),
            y=alt.Y("chance:Q", title="accuracy (%)", scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5)),
            color=colour,
        )
    )
    return _titled(
        f"How narrower and wider tensors are read, by {plan['tuning']['words']} tuning words (fitted)", lines
    )


def _quantiles(met: list[int]) -> list[int]:
    """Widths that a tenth, half and nine tenths of the words do not exceed."""
    return sorted(set(np.quantile(met, (0.1, 0.5, 0.9), method="lower").astype(int).tolist()))


def _candidates(plan: Content) -> alt.LayerChart:
    words, finest = plan["tuning"]["words"], plan["tuning"]["finest_correct"]
    least = (finest / words - plan["bounds"]["accuracy_drop"]) * 100
    rows = [
        {
            "seconds": each["seconds"],
            "accuracy": each["correct"] / words * 100,
            "low": (finest - each["most_lost"]) / words * 100,
            "what": _standing(each, plan["seconds"]["planned"]),
        }
        for each in plan["candidates"]
    ]
    every = finest / words * 100
    rows.append({"seconds": plan["seconds"]["finest"], "accuracy": every, "low": every, "what": "every width"})
    colours = dict(zip(STANDINGS, (PLANNED, SERIES[2], SERIES[1], OTHER), strict=True))
    near = alt.Scale(zero=False, nice=True)
    shown = alt.Chart(pl.DataFrame(rows), width=WIDTH, height=HEIGHT).encode(
        x=alt.X("seconds:Q", title="predicted seconds for the words", scale=near, axis=alt.Axis(tickCount=6)),
        y=alt.Y("accuracy:Q", title="accuracy (%)", scale=near, axis=alt.Axis(tickCount=5)),
        color=alt.Color("what:N", scale=alt.Scale(domain=list(colours), range=list(colours.values()))),
    )
    points = shown.mark_point(filled=True, size=80, opacity=0.9).encode(
        shape=alt.Shape("what:N", scale=alt.Scale(domain=list(colours)), legend=None)
    )
    doubts = shown.mark_rule().encode(y2="low:Q")
    budget = alt.Chart(pl.DataFrame([{"accuracy": least}])).mark_rule(color=light("muted"), strokeDash=[4, 4])
    return _titled(
        f"Candidates on {words} tuning words, down to their 95 % bound. Dashed: the least that it may be",
        budget.encode(y="accuracy:Q"),
        doubts,
        points,
    )


def _standing(candidate: Content, planned: float) -> str:
    plan, within, beyond, _ = STANDINGS
    if not candidate["within"]:
        return beyond
    return plan if candidate["seconds"] == planned else within


def _titled(title: str, *layers: alt.Chart) -> alt.LayerChart:
    style = {"anchor": "start", "fontSize": 13, "fontWeight": "normal", "color": light("ink")}
    return alt.LayerChart(layer=list(layers), title={"text": title, **style})
