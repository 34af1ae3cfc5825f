"""The charts, as static SVG: drawn by Vega-Lite through vl-convert, so the page needs no script and no network.

Text in a chart is data to Vega-Lite, which escapes it; the tests hold it to that. Not here: colours
(`crnn.report.drawing.palette`), the numbers themselves, which are those of run.json and timings.parquet.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import altair as alt
import polars as pl
import vl_convert
from markupsafe import Markup

from crnn.inference.timings import PERCENTILES
from crnn.report.drawing.palette import SERIES, STEPS, light
from crnn.report.format import count
from crnn.report.inputs import LengthScore, Run

WIDTH = 460  # pixels; a phone shows it at three quarters, where the text still reads
ROW, TALL_ROW, PLOT = 30, 44, 220  # pixels: one bar, one bar with a number above it, a whole plot
LONG_NAME = 25  # characters from which names in a legend stand one to a line
MOST_INTERVALS = 3  # curves whose intervals can still be told apart
CURVE_POINTS = 200  # of a cumulative distribution
NETWORK_STEPS = ("transfer_in", "execute", "transfer_out")
RATE_TITLE = "words per second, bytes to text"
STEP_NAMES = {"transfer_in": "transfer in", "transfer_out": "transfer out", "ctc": "CTC decoding"}

CONFIG: dict[str, Any] = {
    "background": None,
    # Of equal widths, and one of them is on nearly every machine; vl-convert lays text out with the first.
    "font": "Liberation Sans, Arial, Helvetica, sans-serif",
    "aria": False,
    "view": {"stroke": None},
    "axis": {
        "labelColor": light("muted"),
        "titleColor": light("muted"),
        "gridColor": light("grid"),
        "domainColor": light("rule"),
        "tickColor": light("rule"),
        "labelFontSize": 13,
        "titleFontSize": 13,
        "titleFontWeight": "normal",
        "labelLimit": 170,
        "labelPadding": 6,
        "titlePadding": 10,
    },
    "axisY": {"domain": False, "ticks": False},
    "legend": {
        "labelColor": light("muted"),
        "titleColor": light("muted"),
        "labelFontSize": 13,
        "titleFontSize": 13,
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


def run_name(run: Run, runs: Sequence[Run]) -> str:
    """What tells a run from its neighbours in `runs` (all of one dataset): its deployment, with the model if needed."""
    models = {other.files.model for other in runs}
    return run.files.deployment if len(models) == 1 else f"{run.files.model} / {run.files.deployment}"


# --- drawing -----------------------------------------------------------------------------------------------


def _svg(chart: alt.TopLevelMixin, height: int) -> Markup:
    """Render to SVG and leave its size to the page: only the view box stays."""
    layout = {"width": WIDTH, "height": height, "autosize": {"type": "fit-x", "contains": "padding"}}
    svg = vl_convert.vegalite_to_svg({**chart.to_dict(), **layout, "config": CONFIG})
    head, _, rest = svg.partition(">")
    head = re.sub(r'\s(?:width|height|class)="[^"]*"', "", head)
    # The caption says in words what the picture shows, so the picture itself is hidden from screen readers.
    return Markup(f'{head} aria-hidden="true" focusable="false">{rest}')


def drawn_alone(chart: alt.TopLevelMixin) -> str:
    """An SVG for a file: on white, in its own size."""
    svg: str = vl_convert.vegalite_to_svg({**chart.to_dict(), "config": {**CONFIG, "background": "white"}})
    return svg


def _x(field: str, title: str, *, grid: bool = True, ticks: int = 5, **scale: Any) -> alt.X:
    axis = alt.Axis(tickCount=ticks, grid=grid)
    return alt.X(field, type="quantitative", title=title, scale=alt.Scale(**scale), axis=axis)


def _y(field: str, title: str, **scale: Any) -> alt.Y:
    return alt.Y(field, type="quantitative", title=title, scale=alt.Scale(**scale), axis=alt.Axis(tickCount=5))


def _row(runs: Named) -> alt.Y:
    return alt.Y("run", type="nominal", title=None, sort=[name for name, _ in runs])


def _colour(field: str, colours: dict[str, str], columns: int) -> alt.Color:
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    return alt.Color(field, type="nominal", scale=scale, legend=alt.Legend(columns=columns))


def _run_colour(names: Sequence[str]) -> alt.Color:
    colours = dict(zip(names, cycle(SERIES), strict=False))
    return _colour("run", colours, columns=2 if max(map(len, names)) < LONG_NAME else 1)


def _either(numbers: Iterable[int]) -> str:
    """Distinct numbers in words: 3,000, or `300 or 3,000`."""
    return " or ".join(map(count, sorted(set(numbers))))


# --- the charts --------------------------------------------------------------------------------------------


def accuracy(runs: Named) -> Figure:
    """Word accuracy of each run with its interval."""
    rows = [
        {
            "run": name,
            "accuracy": run.scores.accuracy * 100,
            "low": run.scores.accuracy_ci95[0] * 100,
            "high": run.scores.accuracy_ci95[1] * 100,
        }
        for name, run in runs
    ]
    base = alt.Chart(pl.DataFrame(rows)).encode(y=_row(runs))
    axis = _x("low", "word accuracy (%)", zero=False, padding=14)
    interval = base.mark_rule(color=SERIES[0], strokeWidth=2).encode(x=axis, x2="high:Q")
    point = base.mark_point(color=SERIES[0], filled=True, size=80, opacity=1).encode(x="accuracy:Q")
    label = alt.Text("accuracy", type="quantitative", format=".1f")
    text = base.mark_text(dy=-13, color=light("ink")).encode(x="accuracy:Q", text=label)
    samples = _either(run.scores.samples for _, run in runs)
    caption = f"Points: share of {samples} words read right. Lines: Wilson 95 % interval. The axis is cut to the data."
    return Figure("Word accuracy", _svg(alt.layer(interval, point, text), TALL_ROW * len(rows)), caption)


def throughput(runs: Named) -> Figure | None:
    """Words per second from encoded bytes to text; None where no run was timed."""
    timed = [(name, run.scores.e2e) for name, run in runs if run.scores.e2e]
    if not timed:
        return None
    rows = [
        {
            "run": name,
            "rate": e2e.images_per_second,
            "slowest": e2e.words / max(e2e.spread),
            "fastest": e2e.words / min(e2e.spread),
        }
        for name, e2e in timed
    ]
    base = alt.Chart(pl.DataFrame(rows)).encode(y=_row(runs))
    # Room on the right for the number behind the longest bar.
    room = max(e2e.words / min(e2e.spread) for _, e2e in timed) * 1.18
    bar = base.mark_bar(color=SERIES[0], height=16).encode(x=_x("rate", RATE_TITLE, domain=[0, room], nice=False))
    spread = base.mark_rule(color=light("ink")).encode(x="slowest:Q", x2="fastest:Q")
    label = alt.Text("rate", type="quantitative", format=",.0f")
    text = base.mark_text(align="left", dx=7, color=light("ink")).encode(x="fastest:Q", text=label)
    passes = _either(e2e.passes for _, e2e in timed)
    taken = "one pass" if passes == "1" else f"median of {passes} passes; thin line: slowest to fastest pass"
    caption = (
        f"{_either(e2e.words for _, e2e in timed)} words, {taken}. "
        "Everything from encoded image bytes to text is inside the clock."
    )
    return Figure("End-to-end throughput", _svg(alt.layer(bar, spread, text), ROW * len(rows)), caption)


def trade_off(runs: Named) -> Figure | None:
    """Accuracy against throughput; None with fewer than two timed runs."""
    timed = [(name, run.scores, run.scores.e2e) for name, run in runs if run.scores.e2e]
    if len(timed) < 2:
        return None
    names = [name for name, *_ in timed]
    accuracies = [scores.accuracy * 100 for _, scores, _ in timed]
    rows = [
        {"run": name, "accuracy": scores.accuracy * 100, "rate": e2e.images_per_second} for name, scores, e2e in timed
    ]
    chart = (
        alt.Chart(pl.DataFrame(rows))
        .mark_point(filled=True, size=110, opacity=0.85)
        .encode(
            x=_x("rate", RATE_TITLE, domain=[0, 1.1 * max(e2e.images_per_second for *_, e2e in timed)], nice=False),
            y=_y("accuracy", "word accuracy (%)", domain=[min(accuracies) - 1, max(accuracies) + 1], nice=True),
            color=_run_colour(names),
            shape=alt.Shape("run", type="nominal", scale=alt.Scale(domain=names)),
        )
    )
    samples = _either(scores.samples for _, scores, _ in timed)
    caption = f"Up and to the right is better. {samples} words; the accuracy axis is cut to the data."
    return Figure("Accuracy against throughput", _svg(chart, PLOT), caption)


def breakdown(runs: Named) -> Figure | None:
    """Where the end-to-end time of each run goes; None where no run was timed."""
    timed = [(name, run.scores.e2e) for name, run in runs if run.scores.e2e]
    if not timed:
        return None
    rows = [
        {"run": name, "step": STEP_NAMES.get(step, step), "order": order, "seconds": e2e.breakdown[step]}
        for name, e2e in timed
        for order, step in enumerate(STEPS)
        if e2e.breakdown.get(step)
    ]
    met = {row["step"] for row in rows}
    colours = {STEP_NAMES.get(step, step): colour for step, colour in STEPS.items()}
    chart = (
        alt.Chart(pl.DataFrame(rows))
        .mark_bar(stroke=light("paper"), strokeWidth=0.6, height=18)
        .encode(
            x=_x("seconds", "seconds per pass over the dataset"),
            y=_row(runs),
            color=_colour("step", {name: colour for name, colour in colours.items() if name in met}, columns=3),
            order="order:Q",
        )
    )
    words = _either(e2e.words for _, e2e in timed)
    caption = f"{words} words, the median pass. A step that took no time is left out; “other” is what no step explains."
    return Figure("Where the time goes", _svg(chart, ROW * len(timed)), caption)


def by_length(runs: Named) -> Figure | None:
    """Accuracy by number of characters; runs with equal counts share one line. None where there are no lengths."""
    shared: dict[tuple[LengthScore, ...], list[str]] = {}
    for name, run in runs:
        shared.setdefault(run.scores.by_length, []).append(name)
    curves = {_joined(names): scores for scores, names in shared.items() if scores}
    if not curves:
        return None
    rows = [
        {
            "run": name,
            "length": score.length,
            "accuracy": score.accuracy * 100,
            "low": score.accuracy_ci95[0] * 100,
            "high": score.accuracy_ci95[1] * 100,
        }
        for name, scores in curves.items()
        for score in scores
    ]
    base = alt.Chart(pl.DataFrame(rows)).encode(
        x=_x("length", "characters in the label", grid=False, ticks=10, zero=False),
        color=_run_colour(list(curves)),
    )
    line = base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=36, filled=True)).encode(
        y=_y("accuracy", "word accuracy (%)", domain=[0, 100])
    )
    interval = base.mark_rule(opacity=0.45).encode(y="low:Q", y2="high:Q")
    legible = len(curves) <= MOST_INTERVALS
    caption = _length_caption(next(iter(curves.values()))) + (" Thin lines: Wilson 95 % interval." if legible else "")
    return Figure("Accuracy by word length", _svg(alt.layer(interval, line) if legible else line, PLOT), caption)


def _joined(names: Sequence[str], most: int = 3) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _length_caption(scores: Sequence[LengthScore]) -> str:
    most, fewest = max(scores, key=lambda s: s.samples), min(scores, key=lambda s: s.samples)
    return (
        f"{count(sum(score.samples for score in scores))} scorable words. The commonest length is {most.length} "
        f"({count(most.samples)}), the rarest {fewest.length} ({count(fewest.samples)}). "
        "Runs with equal counts share a line."
    )


def latency_by_width(runs: Named) -> Figure | None:
    """Median time of one infer-only call against tensor width; None with fewer than two widths timed."""
    calls = [
        run.timings.filter(pl.col("phase") == "infer_only").select("width", "seconds", pl.lit(name).alias("run"))
        for name, run in runs
    ]
    table = pl.concat(calls)
    if table["width"].n_unique() < 2:
        return None
    medians = table.group_by("run", "width").agg(milliseconds=pl.col("seconds").median() * 1000).sort("run", "width")
    timed = [name for name, _ in runs if name in set(medians["run"])]
    chart = (
        alt.Chart(medians)
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=30, filled=True))
        .encode(
            x=_x("width", "tensor width (pixels)", grid=False, ticks=8, zero=False, nice=True),
            y=_y("milliseconds", "median call (ms)"),
            color=_run_colour(timed),
        )
    )
    batch = _either(run.scores.infer_only.batch for _, run in runs if run.scores.infer_only)
    caption = f"{count(table.height)} warm calls at batch {batch}, the network alone; median of each width."
    return Figure("Latency by tensor width", _svg(chart, PLOT), caption)


def latency_distribution(runs: Named) -> Figure | None:
    """Share of infer-only calls that were no slower than a time, with the percentiles marked; None where none ran."""
    calls = {name: run.timings.filter(pl.col("phase") == "infer_only")["seconds"] * 1000 for name, run in runs}
    timed = {name: seconds for name, seconds in calls.items() if len(seconds)}
    if not timed:
        return None
    shares = [place / CURVE_POINTS for place in range(CURVE_POINTS + 1)]
    curves = [
        {"run": name, "milliseconds": quantile(seconds, share), "share": share * 100}
        for name, seconds in timed.items()
        for share in shares
    ]
    marks = [
        {"run": name, "milliseconds": quantile(seconds, share / 100), "share": share}
        for name, seconds in timed.items()
        for share in PERCENTILES
    ]
    # Devices differ by orders of magnitude, and the slowest calls of each are what the picture is for.
    scale = alt.Scale(type="log", nice=False)
    x = alt.X("milliseconds:Q", title="one call (ms)", scale=scale, axis=alt.Axis(tickCount=5, format="~g"))
    y = _y("share", "calls no slower (%)", domain=[0, 100])
    colour = _run_colour(list(timed))
    line = alt.Chart(pl.DataFrame(curves)).mark_line(strokeWidth=2, clip=True).encode(x=x, y=y, color=colour)
    points = alt.Chart(pl.DataFrame(marks)).mark_point(filled=True, size=60, opacity=1).encode(x=x, y=y, color=colour)
    number = _either(len(seconds) for seconds in timed.values())
    caption = (
        f"{number} warm calls at batch 1, the network alone, widths mixed as the words mix them. Points: the 50th, "
        "90th and 99th percentile. The axis is logarithmic."
    )
    return Figure("Latency distribution", _svg(alt.layer(line, points), PLOT), caption)


def quantile(seconds: pl.Series, share: float) -> float:
    """The value that `share` of the calls do not exceed."""
    return float(seconds.quantile(share, "nearest") or 0)


def by_batch_and_width(runs: Named) -> list[Figure]:
    """Words per second inside the network by size of batch and width of tensor, a figure per timed run."""
    return [
        figure
        for name, run in runs
        if run.scores.e2e and (figure := _batch_and_width(name, run, titled=len(runs) > 1)) is not None
    ]


def _batch_and_width(name: str, run: Run, *, titled: bool) -> Figure | None:
    steps = [step for step in NETWORK_STEPS if step in run.timings.columns]
    calls = run.timings.filter((pl.col("phase") == "e2e") & pl.col("width").is_not_null())
    if not {"batch", "execute"} <= set(run.timings.columns) or calls.is_empty():
        return None
    widest = int(calls["width"].max())  # type: ignore[arg-type]
    group = max(8, -(-widest // 24 // 8) * 8)  # about two dozen columns, of whole eighths as widths are
    cells = (
        calls.with_columns(low=pl.col("width") // group * group, seconds=pl.sum_horizontal(*steps))
        .group_by("low", "batch")
        .agg(rate=pl.col("batch").sum() / pl.col("seconds").sum())
        .sort("low", "batch")
        .filter(pl.col("rate").is_finite())
        .with_columns(high=pl.col("low") + group, below=pl.col("batch") - 0.5, above=pl.col("batch") + 0.5)
    )
    if cells.is_empty():
        return None
    most = int(cells["batch"].max())  # type: ignore[arg-type]
    chart = (
        alt.Chart(cells)
        .mark_rect()
        .encode(
            x=_x("low", "tensor width (pixels)", grid=False, ticks=8, nice=False, zero=False),
            x2="high:Q",
            y=alt.Y(
                "below:Q",
                title="words in the batch",
                scale=alt.Scale(domain=[0.5, most + 0.5], nice=False),
                axis=alt.Axis(tickCount=min(most, 8), grid=False, format="d"),
            ),
            y2="above:Q",
            color=alt.Color(
                "rate:Q",
                scale=alt.Scale(scheme="viridis"),
                legend=alt.Legend(title="words per second", titleFontWeight="normal", gradientLength=220, format="~s"),
            ),
        )
    )
    caption = (
        f"{count(calls.height)} calls of the end-to-end passes, the network alone with its transfers; cells that no "
        "call fell into are blank. What a width or a batch costs shows here, and whether larger batches pay."
    )
    return Figure("Throughput by batch and width" + (f": {name}" if titled else ""), _svg(chart, PLOT), caption)


def training(model: str, entries: Sequence[Mapping[str, Any]]) -> Figure:
    """Validation accuracy over the words learned from; `entries` as `crnn.report.drawing.training_curve` reads them."""
    rows = [
        {"words": entry["words"], "accuracy": accuracy * 100, "set": name}
        for entry in entries
        for name, accuracy in entry["accuracy"].items()
    ]
    names = list(dict.fromkeys(row["set"] for row in rows))
    chart = (
        alt.Chart(pl.DataFrame(rows))
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=36, filled=True))
        .encode(
            x=alt.X("words:Q", title="words learned from", axis=alt.Axis(format="~s", tickCount=6, grid=False)),
            y=_y("accuracy", "validation accuracy (%)", zero=False),
            color=_colour("set", dict(zip(names, cycle(SERIES), strict=False)), columns=2),
        )
    )
    last = entries[-1]
    ends = ", ".join(f"{name} {accuracy * 100:.1f} %" for name, accuracy in last["accuracy"].items())
    caption = (
        f"The log beside the checkpoint of {model}: {count(last['words'])} words, loss {last['loss']:.3g}, {ends}."
    )
    return Figure(f"Training of {model}", _svg(chart, PLOT), caption)


def figures(runs: Sequence[Run]) -> list[Figure]:
    """Every chart that the runs of one dataset allow."""
    named = [(run_name(run, runs), run) for run in runs]
    single = (accuracy, throughput, trade_off, breakdown, by_length, latency_distribution, latency_by_width)
    drawn = [figure for chart in single if (figure := chart(named)) is not None]
    return [*drawn, *by_batch_and_width(named)]
