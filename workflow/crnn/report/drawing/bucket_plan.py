"""The figure of a bucket plan: words by width and the buckets they go to, costs, losses, candidates."""

from bisect import bisect_left
from itertools import pairwise

import altair as alt
import numpy as np
import polars as pl

from crnn.planning.accuracy_model import AccuracyModel
from crnn.report.drawing.charts import drawn_alone, x_axis, y_axis
from crnn.report.drawing.palette import SERIES, light
from crnn.report.inputs import Object

WIDTH, HEIGHT = 620, 170  # pixels of one panel
PLANNED, OTHER, EDGE = SERIES[0], SERIES[6], SERIES[1]
STANDINGS = {"the plan": PLANNED, "within the budget": SERIES[2], "not within it": EDGE, "every width": OTHER}


def plan_figure(plan: Object, costs: pl.DataFrame) -> str:
    """An SVG of four panels, the first two over one axis, from what plan.json and costs.parquet hold."""
    edges = plan["rule"]["upto"]  # the widest true width, stretched, of each bucket
    span = [0, max(edges[-1], *map(int, plan["words"]["nearest_width"]))]
    widths = alt.vconcat(_words(plan, edges, span), _cost(plan, costs, edges, span)).resolve_scale(x="shared")
    panels = alt.vconcat(widths, _accuracy(plan), _candidates(plan), spacing=28)
    return drawn_alone(panels.resolve_scale(color="independent"))


def _panel(rows: pl.DataFrame | list[Object]) -> alt.Chart:
    return alt.Chart(pl.DataFrame(rows), width=WIDTH, height=HEIGHT)


def _x(span: list[float], title: str) -> alt.X:
    return x_axis("from", title, grid=False, ticks=10, domain=span, nice=False)


def _titled(title: str, *layers: alt.Chart) -> alt.LayerChart:
    style = {"anchor": "start", "fontSize": 13, "fontWeight": "normal", "color": light("ink")}
    return alt.LayerChart(layer=list(layers), title={"text": title, **style})


def _words(plan: Object, edges: list[float], span: list[float]) -> alt.LayerChart:
    half, last, words = plan["bounds"]["step"] / 2, len(edges) - 1, plan["words"]["nearest_width"]
    rows = [
        {"from": at - half, "to": at + half, "none": 0, "words": number, "turn": min(bisect_left(edges, at), last) % 2}
        for at, number in ((int(width), number) for width, number in words.items())
    ]
    marks = [
        {"from": edge, "text": f"{bucket['width']}×{bucket['batch']}"}
        for edge, bucket in zip(edges, plan["buckets"], strict=True)
    ]
    room = 1.45 * max(words.values())  # for what the lines say
    turns = alt.Scale(domain=[0, 1], range=[SERIES[0], SERIES[2]])  # neighbouring buckets have two colours
    colour, y = alt.Color("turn:N", scale=turns, legend=None), y_axis("words", "words", domain=[0, room])
    bars = _panel(rows).mark_rect(stroke=light("paper"), strokeWidth=0.5)
    bars = bars.encode(x=_x(span, ""), x2="to", y=y, y2="none", color=colour)
    edge = alt.Chart(pl.DataFrame(marks)).mark_rule(color=EDGE).encode(x="from")
    text = edge.mark_text(color=EDGE, angle=270, align="right", dx=-2, dy=-6, fontSize=10, y=0).encode(text="text")
    title = "Words by their true width. Lines: the widest word of each bucket, its tensor width × batch"
    return _titled(title, bars, edge, text)


def _cost(plan: Object, costs: pl.DataFrame, edges: list[float], span: list[float]) -> alt.LayerChart:
    per_word = costs.with_columns(milliseconds=pl.col("seconds") / pl.col("batch") * 1000)
    best = per_word.group_by("width").agg(pl.col("milliseconds").min()).sort("width").rename({"width": "from"})
    paid = [
        {"from": low, "to": high, "milliseconds": bucket["seconds"] / bucket["words"] * 1000}
        for (low, high), bucket in zip(pairwise([0.0, *edges]), plan["buckets"], strict=True)
    ]
    x = _x(span, "true width of a word at height 32, stretched (pixels)")
    line = _panel(best).mark_line(color=OTHER, clip=True, point=alt.OverlayMarkDef(color=OTHER, size=36))
    steps = alt.Chart(pl.DataFrame(paid)).mark_rule(color=PLANNED, strokeWidth=3)
    return _titled(
        "What a word costs. Gray: measured, in its best batch. Blue: in the bucket it goes to",
        line.encode(x=x, y=y_axis("milliseconds", "ms per word")),
        steps.encode(x=x, x2="to", y="milliseconds"),
    )


def _accuracy(plan: Object) -> alt.LayerChart:
    model, most = AccuracyModel(np.array(plan["accuracy_model"])), plan["bounds"]["distortion"]
    met = [int(name) for name, words in plan["words"]["nearest_width"].items() for _ in range(words)]
    # Widths that a tenth, half and nine tenths of the words do not exceed.
    widths = sorted(set(np.quantile(met, (0.1, 0.5, 0.9), method="lower").astype(int).tolist()))
    stretches = np.linspace(1 - most, 1 + most, 41)
    rows = [
        {"from": stretch, "chance": 100 * chance, "words": f"{width} columns"}
        for width in widths
        for stretch, chance in zip(stretches.tolist(), model(width, width * stretches).tolist(), strict=True)
    ]
    scale = alt.Scale(domain=[f"{width} columns" for width in widths], range=list(SERIES))
    line = _panel(rows).mark_line()
    line = line.encode(
        x=_x([1 - most, 1 + most], "width of the tensor ÷ true width of the word"),
        y=y_axis("chance", "accuracy (%)", zero=False),
        color=alt.Color("words", scale=scale, title="true width"),
    )
    return _titled(f"How narrower and wider tensors are read, by {plan['tuning']['words']} tuning words (fitted)", line)


def _candidates(plan: Object) -> alt.LayerChart:
    words, finest = plan["tuning"]["words"], plan["tuning"]["finest_correct"]
    least, every = (finest / words - plan["bounds"]["accuracy_drop"]) * 100, finest / words * 100
    rows = [
        {
            "seconds": each["seconds"],
            "accuracy": each["correct"] / words * 100,
            "low": (finest - each["most_lost"]) / words * 100,
            "what": _standing(each, plan["seconds"]["planned"]),
        }
        for each in plan["candidates"]
    ]
    rows.append({"seconds": plan["seconds"]["finest"], "accuracy": every, "low": every, "what": "every width"})
    scale = alt.Scale(domain=list(STANDINGS), range=list(STANDINGS.values()))
    shown = _panel(rows).encode(
        x=x_axis("seconds", "predicted seconds for the words", ticks=6, zero=False, nice=True),
        y=y_axis("accuracy", "accuracy (%)", zero=False, nice=True),
        color=alt.Color("what", scale=scale),
    )
    shape = alt.Shape("what", scale=alt.Scale(domain=list(STANDINGS)), legend=None)
    budget = alt.Chart(pl.DataFrame([{"accuracy": least}])).mark_rule(color=light("muted"), strokeDash=[4, 4])
    return _titled(
        f"Candidates on {words} tuning words, down to their 95 % bound. Dashed: the least that it may be",
        budget.encode(y="accuracy"),
        shown.mark_rule().encode(y2="low"),
        shown.mark_point(filled=True, size=80, opacity=0.9).encode(shape=shape),
    )


def _standing(candidate: Object, planned: float) -> str:
    if not candidate["within"]:
        return "not within it"
    return "the plan" if candidate["seconds"] == planned else "within the budget"
