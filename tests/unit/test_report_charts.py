"""Charts: which are drawn, and that no text breaks out of them."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

from crnn.report.drawing.charts import SHAPES, accuracy_against_cost, figures, frontier_of
from crnn.report.drawing.palette import SERIES
from crnn.report.inputs import Run, run_names
from report_results import Results, picture

WORDS = [(picture(word), word) for word in ("a", "24", "open", "information")]
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = """<script>alert("1")</script>'&amp;"""


def drawn(tmp_path: Path, *deployments: str, timed: bool = True) -> tuple[list[Run], dict[str, ET.Element]]:
    results = Results(tmp_path, WORDS)
    for number, deployment in enumerate(deployments):
        folder = f"run-{number}"
        results.add_run(folder, {4: "informatlon"} if number else {}, timed=timed)
        results.runs[-1]["deployment"] = deployment
        path = Path(results.runs[-1]["run"])
        path.write_text(path.read_text().replace(f'"{folder}"', json.dumps(deployment)))
    runs = results.read()
    return runs, {figure.title: ET.fromstring(str(figure.svg)) for figure in figures(named(runs))}


def named(runs: list[Run]) -> list[tuple[str, Run]]:
    return list(zip(run_names(runs), runs, strict=True))


def texts(svg: ET.Element) -> list[str]:
    return ["".join(element.itertext()) for element in svg.iter(f"{SVG}text")]


def test_two_timed_runs_get_every_chart(tmp_path: Path) -> None:
    _, svgs = drawn(tmp_path, "torch", "onnxruntime")
    assert list(svgs) == [
        "Word accuracy",
        "End-to-end throughput",
        "Accuracy against cost",
        "Where the time goes",
        "Accuracy by word length",
        "Errors among the words kept",
        "Latency distribution",
        "Latency by tensor width",
        "Throughput by batch and width: torch",
        "Throughput by batch and width: onnxruntime",
    ]


def test_one_run_has_nothing_to_trade_off(tmp_path: Path) -> None:
    _, svgs = drawn(tmp_path, "torch")
    assert "Accuracy against cost" not in svgs


def test_the_frontier_leaves_out_what_a_cheaper_run_reads_as_well() -> None:
    points = {
        "crnn": (2.0, 0.82),
        "wide": (4.0, 0.82),
        "cascade": (9.0, 0.89),
        "slow": (30.0, 0.85),
        "other": (50.0, 0.9),
    }
    rows = [{"run": name, "cost": cost, "accuracy": accuracy} for name, (cost, accuracy) in points.items()]
    assert [row["run"] for row in frontier_of(rows)] == ["crnn", "cascade", "other"]


def test_runs_without_timings_get_the_accuracy_charts_alone(tmp_path: Path) -> None:
    _, svgs = drawn(tmp_path, "torch", "onnxruntime", timed=False)
    assert list(svgs) == ["Word accuracy", "Accuracy by word length", "Errors among the words kept"]


def test_a_single_pass_has_no_median_and_no_spread_to_explain(tmp_path: Path) -> None:
    results = Results(tmp_path, WORDS)
    run = results.add_run("torch", {}) / "run.json"
    scores = json.loads(run.read_text())
    run.write_text(json.dumps({**scores, "e2e": {**scores["e2e"], "passes": 1}}))
    (caption,) = (
        figure.caption for figure in figures(named(results.read())) if figure.title == "End-to-end throughput"
    )
    assert caption.startswith("4 words, one pass. Everything")


def test_axes_name_their_units(tmp_path: Path) -> None:
    _, svgs = drawn(tmp_path, "torch", "onnxruntime")
    assert "word accuracy (%)" in texts(svgs["Word accuracy"])
    assert "words per second, bytes to text" in texts(svgs["End-to-end throughput"])
    assert "tensor width (pixels)" in texts(svgs["Latency by tensor width"])


def test_accuracy_chart_states_the_accuracies(tmp_path: Path) -> None:
    _, svgs = drawn(tmp_path, "torch", "onnxruntime")
    assert {"100.0", "75.0"} <= set(texts(svgs["Word accuracy"]))


def test_a_hostile_name_stays_text(tmp_path: Path) -> None:
    _, svgs = drawn(tmp_path, HOSTILE, "torch")
    elements = {element.tag for svg in svgs.values() for element in svg.iter()}
    assert elements <= {
        f"{SVG}{name}"
        for name in ("svg", "g", "path", "text", "tspan", "line", "rect", "defs", "clipPath", "linearGradient", "stop")
    }
    assert any(HOSTILE[:7] in text for text in texts(svgs["Word accuracy"]))


def test_charts_carry_no_link_and_no_handler(tmp_path: Path) -> None:
    _, svgs = drawn(tmp_path, HOSTILE, "torch")
    attributes = {name for svg in svgs.values() for element in svg.iter() for name in element.attrib}
    assert not {name for name in attributes if name.startswith("on") or name.endswith("href")}


def test_runs_are_told_apart_by_model_only_where_there_are_several(tmp_path: Path) -> None:
    runs, _ = drawn(tmp_path, "torch", "onnxruntime")
    assert run_names(runs)[0] == "torch"
    other = replace(runs[1], row={**runs[1].row, "model": "large"})
    assert run_names([runs[0], other])[0] == "small / torch"


def test_a_point_has_a_shape_and_a_colour_that_no_other_has() -> None:
    names = [f"run{number}" for number in range(len(SHAPES) * len(SERIES))]
    looks = {(SHAPES[place % len(SHAPES)], SERIES[place % len(SERIES)]) for place in range(len(names))}
    assert len(looks) == len(names)
    drawn = accuracy_against_cost([{"run": name, "cost": 1, "accuracy": 80, "low": 79, "high": 81} for name in names])
    scale = drawn.to_dict()["layer"][2]["encoding"]["shape"]["scale"]
    assert (scale["domain"], scale["range"]) == (names, list(SHAPES))
