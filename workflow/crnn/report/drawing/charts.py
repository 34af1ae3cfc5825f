"""The charts, as static SVG: drawn by Vega-Lite through vl-convert, so the page needs no script and no network.

Text in a chart is data to Vega-Lite, which escapes it; the tests hold it to that.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import polars as pl
import vl_convert
from markupsafe import Markup

from crnn.inference.timings import PERCENTILES
from crnn.report.drawing.palette import SERIES, STEPS, light
from crnn.report.format import count
from crnn.report.inputs import Object, Run

WIDTH = 460  # pixels; a phone shows it at three quarters, where the text still reads
ROW, TALL_ROW, PLOT = 30, 44, 220  # pixels: one bar, one bar with a number above it, a whole plot
LONG_NAME = 25  # characters from which names in a legend stand one to a line
MOST_INTERVALS = 3  # curves whose intervals can still be told apart
CURVE_POINTS = 200  # of a cumulative distribution
# One fewer than there are colours, so that shape and colour together tell 56 runs apart.
SHAPES = ("circle", "square", "triangle-up", "cross", "diamond", "triangle-right", "triangle-down")
NETWORK_STEPS = ("transfer_in", "execute", "transfer_out")
STEP_NAMES = {"transfer_in": "transfer in", "transfer_out": "transfer out", "ctc": "CTC decoding"}

LETTERING = {"labelColor": light("muted"), "titleColor": light("muted"), "labelFontSize": 13, "titleFontSize": 13}
CONFIG: dict[str, Any] = {
    "background": None,
    # Of equal widths, and one of them is on nearly every machine; vl-convert lays text out with the first.
    "font": "Liberation Sans, Arial, Helvetica, sans-serif",
    "aria": False,
    "view": {"stroke": None},
    "axis": {
        **LETTERING,
        "gridColor": light("grid"),
        "domainColor": light("rule"),
        "tickColor": light("rule"),
        "titleFontWeight": "normal",
        "labelLimit": 170,
        "labelPadding": 6,
        "titlePadding": 10,
    },
    "axisY": {"domain": False, "ticks": False},
    "legend": {
        **LETTERING,
        "labelLimit": 400,
        "orient": "bottom",
        "title": None,
        "symbolOpacity": 1,
        "columnPadding": 24,
    },
    "text": {"fontSize": 13},
}


@dataclass(frozen=True)
class Figure:
    """One chart: a heading, the SVG and a caption that says what it stands on."""

    title: str
    svg: Markup
    caption: str


Named = Sequence[tuple[str, Run]]  # the runs of one dataset, each with its name in the charts


def figure(title: str, chart: alt.TopLevelMixin, caption: str, height: int = PLOT) -> Figure:
    """Render to SVG and leave its size to the page: only the view box stays."""
    layout = {"width": WIDTH, "height": height, "autosize": {"type": "fit-x", "contains": "padding"}}
    svg = vl_convert.vegalite_to_svg({**chart.to_dict(), **layout, "config": CONFIG})
    head, _, rest = svg.partition(">")
    head = re.sub(r'\s(?:width|height|class)="[^"]*"', "", head)
    # The caption says in words what the picture shows, so the picture itself is hidden from screen readers.
    return Figure(title, Markup(f'{head} aria-hidden="true" focusable="false">{rest}'), caption)


def drawn_alone(chart: alt.TopLevelMixin) -> str:
    """An SVG for a file: on white, in its own size."""
    svg: str = vl_convert.vegalite_to_svg({**chart.to_dict(), "config": {**CONFIG, "background": "white"}})
    return svg


def x_axis(
    field: str, title: str, *, grid: bool = True, ticks: int = 5, format: Any = alt.Undefined, **scale: Any
) -> alt.X:
    """Numbers from left to right; `scale` as `alt.Scale` takes it."""
    axis = alt.Axis(tickCount=ticks, grid=grid, format=format)
    return alt.X(field, type="quantitative", title=title, scale=alt.Scale(**scale), axis=axis)


def y_axis(field: str, title: str, **scale: Any) -> alt.Y:
    """Numbers upwards."""
    return alt.Y(field, type="quantitative", title=title, scale=alt.Scale(**scale), axis=alt.Axis(tickCount=5))


def lines(table: pl.DataFrame, size: int) -> alt.Chart:
    """Lines with points of `size` square pixels."""
    chart: alt.Chart = alt.Chart(table).mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=size, filled=True))
    return chart


def colour_of(field: str, names: Sequence[str], colours: Sequence[str] = SERIES, columns: int = 0) -> alt.Color:
    """A colour by name, which come round again, and a legend of so many columns; by default as the names have room."""
    scale, most = alt.Scale(domain=list(names), range=list(colours)), 2 if max(map(len, names)) < LONG_NAME else 1
    return alt.Color(field, type="nominal", scale=scale, legend=alt.Legend(columns=columns or most))


def _bars(rows: list[Object]) -> alt.Chart:
    """A line of the chart per run, in the order of `rows`."""
    names = list(dict.fromkeys(row["run"] for row in rows))
    chart: alt.Chart = alt.Chart(pl.DataFrame(rows)).encode(y=alt.Y("run", type="nominal", title=None, sort=names))
    return chart


def _percents(score: Object) -> Object:
    """Accuracy and its interval, of a run or of the words of one length."""
    low, high = score["accuracy_ci95"]
    return {"accuracy": score["correct"] / score["samples"] * 100, "low": low * 100, "high": high * 100}


def _either(numbers: Iterable[int]) -> str:
    """Distinct numbers in words: 3,000, or `300 or 3,000`."""
    return " or ".join(map(count, sorted(set(numbers))))


def accuracy(runs: Named) -> Figure:
    """Word accuracy of each run with its interval."""
    base = _bars([{"run": name, **_percents(run.row)} for name, run in runs])
    x = x_axis("low", "word accuracy (%)", zero=False, padding=14)
    interval = base.mark_rule(color=SERIES[0], strokeWidth=2).encode(x=x, x2="high")
    point = base.mark_point(color=SERIES[0], filled=True, size=80, opacity=1).encode(x="accuracy")
    text = base.mark_text(dy=-13, color=light("ink")).encode(x="accuracy", text=alt.Text("accuracy", format=".1f"))
    samples = _either(run.row["samples"] for _, run in runs)
    caption = f"Points: share of {samples} words read right. Lines: Wilson 95 % interval. The axis is cut to the data."
    return figure("Word accuracy", alt.layer(interval, point, text), caption, TALL_ROW * len(runs))


def throughput(timed: Named) -> Figure:
    """Words per second from encoded bytes to text."""
    clocks = {name: run.row["e2e"] for name, run in timed}
    rows = [
        {"run": name, "rate": e2e["images_per_second"], "slowest": e2e["words"] / slow, "fastest": e2e["words"] / fast}
        for name, e2e in clocks.items()
        for fast, slow in [sorted(e2e["spread"])]
    ]
    base = _bars(rows)
    room = max(row["fastest"] for row in rows) * 1.18  # on the right, for the number behind the longest bar
    title = "words per second, bytes to text"
    bar = base.mark_bar(color=SERIES[0], height=16).encode(x=x_axis("rate", title, domain=[0, room], nice=False))
    spread = base.mark_rule(color=light("ink")).encode(x="slowest", x2="fastest")
    label = base.mark_text(align="left", dx=7, color=light("ink"))
    text = label.encode(x="fastest", text=alt.Text("rate", format=",.0f"))
    passes = _either(e2e["passes"] for e2e in clocks.values())
    taken = "one pass" if passes == "1" else f"median of {passes} passes; thin line: slowest to fastest pass"
    caption = (
        f"{_either(e2e['words'] for e2e in clocks.values())} words, {taken}. "
        "Everything from encoded image bytes to text is inside the clock."
    )
    return figure("End-to-end throughput", alt.layer(bar, spread, text), caption, ROW * len(rows))


def frontier_of(rows: Sequence[Object]) -> list[Object]:
    """Those of rows with `cost` and `accuracy` that no cheaper one reads as well as."""
    return [
        row for row in rows if all(row["accuracy"] > other["accuracy"] for other in rows if other["cost"] < row["cost"])
    ]


def trade_off(timed: Named) -> Figure:
    """Accuracy against what a word costs of all cores that the run could use, and the frontier of the runs."""
    rows = [
        {"run": name, "cost": e2e["seconds"] / e2e["words"] * row["host"].get("cores", 1) * 1e3, **_percents(row)}
        for name, row, e2e in ((name, run.row, run.row["e2e"]) for name, run in timed)
    ]
    samples = _either(run.row["samples"] for _, run in timed)
    caption = (
        f"Up and to the left is better; the broken line joins the runs that no cheaper one reads as well as. {samples} "
        "words, with Wilson 95 % intervals. The axes are cut to the data, and the lower one is logarithmic."
    )
    return figure("Accuracy against cost", accuracy_against_cost(rows), caption)


def accuracy_against_cost(rows: Sequence[Object]) -> alt.LayerChart | alt.FacetChart:
    """Points with their intervals, and the frontier. rows: run, cost, and in percent accuracy, low, high."""
    names = [row["run"] for row in rows]
    x = x_axis("cost", "core-milliseconds per word, bytes to text", format="~g", type="log", nice=False, padding=14)
    y = y_axis("accuracy", "word accuracy (%)", zero=False, nice=True)
    best = alt.Chart(pl.DataFrame(frontier_of(rows)))
    frontier = best.mark_line(color=light("rule"), strokeWidth=1.5, strokeDash=[4, 3]).encode(x=x, y=y)
    base = alt.Chart(pl.DataFrame(rows)).encode(x=x, color=colour_of("run", names))
    interval = base.mark_rule(strokeWidth=1.5, opacity=0.6).encode(y=alt.Y("low", type="quantitative"), y2="high")
    shape = alt.Shape("run", type="nominal", scale=alt.Scale(domain=names, range=SHAPES))
    point = base.mark_point(filled=True, size=110, opacity=0.9).encode(y=y, shape=shape)
    return alt.layer(frontier, interval, point)


def breakdown(timed: Named) -> Figure:
    """Where the end-to-end time of each run goes."""
    steps = {STEP_NAMES.get(step, step): (step, colour) for step, colour in STEPS.items()}
    rows = [
        {"run": name, "step": shown, "order": order, "seconds": seconds}
        for name, run in timed
        for order, (shown, (step, _)) in enumerate(steps.items())
        if (seconds := run.row["e2e"]["breakdown"].get(step))
    ]
    met = {row["step"] for row in rows}
    colours = {shown: colour for shown, (_, colour) in steps.items() if shown in met}
    x = x_axis("seconds", "seconds per pass over the dataset")
    colour = colour_of("step", list(colours), list(colours.values()), columns=3)
    bars = _bars(rows).mark_bar(stroke=light("paper"), strokeWidth=0.6, height=18)
    words = _either(run.row["e2e"]["words"] for _, run in timed)
    caption = f"{words} words, the median pass. A step that took no time is left out; “other” is what no step explains."
    return figure("Where the time goes", bars.encode(x=x, color=colour, order="order"), caption, ROW * len(timed))


def by_length(runs: Named) -> Figure | None:
    """Accuracy by number of characters; runs with equal counts share one line. None where there are no lengths."""
    shared: dict[str, tuple[list[Object], list[str]]] = {}
    for name, run in runs:
        scores = run.row["by_length"]
        shared.setdefault(repr(scores), (scores, []))[1].append(name)
    curves = {_joined(names): scores for scores, names in shared.values() if scores}
    if not curves:
        return None
    rows = [{"run": name, "length": each["length"], **_percents(each)} for name, of in curves.items() for each in of]
    chart: alt.TopLevelMixin
    chart = line = lines(pl.DataFrame(rows), 36).encode(
        x=x_axis("length", "characters in the label", grid=False, ticks=10, zero=False),
        y=y_axis("accuracy", "word accuracy (%)", domain=[0, 100]),
        color=colour_of("run", list(curves)),
    )
    scores = next(iter(curves.values()))
    most, fewest = (pick(scores, key=lambda score: score["samples"]) for pick in (max, min))
    caption = (
        f"{count(sum(score['samples'] for score in scores))} scorable words. "
        f"The commonest length is {most['length']} ({count(most['samples'])}), "
        f"the rarest {fewest['length']} ({count(fewest['samples'])}). Runs with equal counts share a line."
    )
    if len(curves) <= MOST_INTERVALS:
        chart = alt.layer(line.mark_rule(opacity=0.45).encode(y="low", y2="high"), line)
        caption += " Thin lines: Wilson 95 % interval."
    return figure("Accuracy by word length", chart, caption)


def _joined(names: Sequence[str], most: int = 3) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def latency_by_width(calls: pl.DataFrame, runs: Named) -> Figure | None:
    """Median time of one infer-only call against tensor width; None with fewer than two widths timed."""
    if calls["width"].n_unique() < 2:
        return None
    medians = calls.group_by("run", "width").agg(milliseconds=pl.col("seconds").median() * 1000).sort("run", "width")
    chart = lines(medians, 30).encode(
        x=x_axis("width", "tensor width (pixels)", grid=False, ticks=8, zero=False, nice=True),
        y=y_axis("milliseconds", "median call (ms)"),
        color=colour_of("run", calls["run"].unique(maintain_order=True).to_list()),
    )
    batch = _either(run.row["infer_only"]["batch"] for _, run in runs if run.row["infer_only"])
    caption = f"{count(calls.height)} warm calls at batch {batch}, the network alone; median of each width."
    return figure("Latency by tensor width", chart, caption)


def latency_distribution(calls: pl.DataFrame) -> Figure:
    """Share of infer-only calls that were no slower than a time, with the percentiles marked."""
    seconds = {name: calls.filter(run=name)["seconds"] for name in calls["run"].unique(maintain_order=True)}

    def quantiles(shares: Iterable[float]) -> alt.Chart:
        rows = [
            {"run": name, "milliseconds": float(times.quantile(share, "nearest") or 0) * 1000, "share": share * 100}
            for name, times in seconds.items()
            for share in shares
        ]
        # Devices differ by orders of magnitude, and the slowest calls of each are what the picture is for.
        x = x_axis("milliseconds", "one call (ms)", format="~g", type="log", nice=False)
        y = y_axis("share", "calls no slower (%)", domain=[0, 100])
        chart: alt.Chart = alt.Chart(pl.DataFrame(rows)).encode(x=x, y=y, color=colour_of("run", list(seconds)))
        return chart

    line = quantiles([place / CURVE_POINTS for place in range(CURVE_POINTS + 1)]).mark_line(strokeWidth=2, clip=True)
    points = quantiles([share / 100 for share in PERCENTILES]).mark_point(filled=True, size=60, opacity=1)
    caption = (
        f"{_either(map(len, seconds.values()))} warm calls at batch 1, the network alone, widths mixed as the words "
        "mix them. Points: the 50th, 90th and 99th percentile. The axis is logarithmic."
    )
    return figure("Latency distribution", alt.layer(line, points), caption)


def by_batch_and_width(name: str, run: Run, *, titled: bool) -> Figure | None:
    """Words per second inside the network by size of batch and width of tensor; None where these were not noted."""
    timings = run.timings.filter((pl.col("phase") == "e2e") & pl.col("width").is_not_null())
    if not {"batch", "execute"} <= set(timings.columns) or timings.is_empty():
        return None
    steps = [step for step in NETWORK_STEPS if step in timings.columns]
    widest = int(timings["width"].max())  # type: ignore[arg-type]
    group = max(8, -(-widest // 24 // 8) * 8)  # about two dozen columns, of whole eighths as widths are
    cells = (
        timings.with_columns(low=pl.col("width") // group * group, seconds=pl.sum_horizontal(*steps))
        .group_by("low", "batch")
        .agg(rate=pl.col("batch").sum() / pl.col("seconds").sum())
        .sort("low", "batch")  # equal timings make an equal page
        .filter(pl.col("rate").is_finite())
        .with_columns(high=pl.col("low") + group, below=pl.col("batch") - 0.5, above=pl.col("batch") + 0.5)
    )
    if cells.is_empty():
        return None
    most = int(cells["batch"].max())  # type: ignore[arg-type]
    legend = alt.Legend(title="words per second", titleFontWeight="normal", gradientLength=220, format="~s")
    axis = alt.Axis(tickCount=min(most, 8), grid=False, format="d")
    scale = alt.Scale(domain=[0.5, most + 0.5], nice=False)
    x = x_axis("low", "tensor width (pixels)", grid=False, ticks=8, nice=False, zero=False)
    y = alt.Y("below", title="words in the batch", scale=scale, axis=axis)
    colour = alt.Color("rate", scale=alt.Scale(scheme="viridis"), legend=legend)
    chart = alt.Chart(cells).mark_rect().encode(x=x, x2="high", y=y, y2="above", color=colour)
    caption = (
        f"{count(timings.height)} calls of the end-to-end passes, the network alone with its transfers; cells that no "
        "call fell into are blank. What a width or a batch costs shows here, and whether larger batches pay."
    )
    return figure("Throughput by batch and width" + (f": {name}" if titled else ""), chart, caption)


def risk_by_coverage(runs: Named) -> Figure | None:
    """Share of wrong words among those kept, against the share kept; None where no run has confidences."""
    rows = [
        {"run": name, "coverage": coverage * 100, "risk": risk * 100}
        for name, run in runs
        for coverage, risk in (run.row["confidence"] or {"curve": []})["curve"]
    ]
    if not rows:
        return None
    x = x_axis("coverage", "records kept, the most confident first (%)", domain=[0, 100])
    chart = alt.Chart(pl.DataFrame(rows)).mark_line(strokeWidth=2, opacity=0.8)
    chart = chart.encode(x=x, y=y_axis("risk", "of them wrong (%)"), color=colour_of("run", [name for name, _ in runs]))
    caption = "Every record, from the most confident one down. A curve that rises early has confident mistakes."
    return figure("Errors among the words kept", chart, caption)


def figures(runs: Named) -> list[Figure]:
    """Every chart that the runs of one dataset allow."""
    timed = [(name, run) for name, run in runs if run.row["e2e"]]
    calls = pl.concat(
        run.timings.filter(pl.col("phase") == "infer_only").select("width", "seconds", run=pl.lit(name))
        for name, run in runs
    )
    drawn = [
        accuracy(runs),
        throughput(timed) if timed else None,
        trade_off(timed) if len(timed) > 1 else None,
        breakdown(timed) if timed else None,
        by_length(runs),
        risk_by_coverage(runs),
        latency_distribution(calls) if calls.height else None,
        latency_by_width(calls, runs),
        *(by_batch_and_width(name, run, titled=len(runs) > 1) for name, run in timed),
    ]
    return [figure for figure in drawn if figure]
