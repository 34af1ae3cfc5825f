#!/usr/bin/env python3
"""Write benchmarks/README.md and its pictures from the result files beside it. No number in them is typed by hand.

python benchmarks/write_readme.py
"""

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))

import altair as alt
import polars as pl
import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from crnn.core.command import Command
from crnn.core.files import atomic_path, read_json
from crnn.report.drawing.charts import CONFIG, accuracy_against_cost
from crnn.report.drawing.palette import SERIES
from stage import run

HERE = Path(__file__).parent
CONTESTS = {  # file → title
    "bytes_to_text": "Bytes to text",
    "widths": "Planned widths and others",
}
FILES = (*CONTESTS, "peers", "layers", "lstm", "scale", "page", "no_op", "dag_scale")
BYTES_TO_TEXT = "bytes to text"
INFERENCE = "inference and CTC"


def arguments() -> argparse.ArgumentParser:
    command = Command(__doc__)
    command.add_argument("--results", type=Path, default=HERE / "results", help="folder of the JSON files")
    command.add_argument("--output", type=Path, default=HERE, help="folder to write to (default: here)")
    return command


def contest(result: dict[str, Any]) -> list[dict[str, Any]]:
    """A row per contestant, the recipe first, then from slow to fast: medians, and ratios to the recipe."""
    recipe = statistics.median(result["contestants"]["recipe"]["seconds"][BYTES_TO_TEXT])
    rows = [row_of(name, each, recipe, result) for name, each in result["contestants"].items()]
    return sorted(rows, key=lambda row: (row["name"] != "recipe", -row["seconds"]))


def row_of(name: str, each: dict[str, Any], recipe: float, result: dict[str, Any]) -> dict[str, Any]:
    # The first run of a ceiling still compiles kernels for the shapes, so what counts of it is the best.
    seconds = {
        what: min(times) if what.startswith("ceiling: ") else statistics.median(times)
        for what, times in each["seconds"].items()
    }
    whole = seconds[BYTES_TO_TEXT]
    ceilings = {what.partition(": ")[2]: took for what, took in seconds.items() if what.startswith("ceiling: ")}
    best = min(ceilings.values(), default=None)
    threads = result["threads"]
    alone = (seconds["reading, decoding, resizing"] + seconds["CTC"]) / threads if "CTC" in seconds else None
    return {
        "name": name,
        **{key: each[key] for key in ("samples", "correct", "accuracy_ci95", "against_reference", "settings")},
        "accuracy": each["correct"] / each["samples"],
        "seconds": whole,
        "spread": (min(each["seconds"][BYTES_TO_TEXT]), max(each["seconds"][BYTES_TO_TEXT])),
        "rate": each["samples"] / whole,
        "times": recipe / whole,
        "own_boundary": seconds.get("own boundary"),
        "inference": seconds.get(INFERENCE),
        "ceilings": ceilings,
        "of_ceiling": best / seconds[INFERENCE] if best else None,
        "perfect": best + alone if best and alone is not None else None,
        "over_perfect": whole / (best + alone) if best and alone is not None else None,
        "alone": alone,
        "of_product": arithmetic(each["settings"], seconds.get(INFERENCE), result["matrix_product"]),
    }


def arithmetic(settings: dict[str, Any], seconds: float | None, products: dict[str, float]) -> float | None:
    """Share of the machine's largest matrix product at that precision that the network's arithmetic comes to."""
    product = products.get(settings["precision"])
    if seconds is None or product is None or "gigaflops" not in settings:
        return None
    return settings["gigaflops"] * 1e9 / seconds / product


def contest_chart(rows: list[dict[str, Any]]) -> str:
    """Words per second of each contestant, bytes to text, with the spread of its repeats; an SVG."""
    table = pl.DataFrame(
        [
            {
                "name": row["name"],
                "rate": row["rate"],
                "low": row["samples"] / row["spread"][1],
                "high": row["samples"] / row["spread"][0],
                "label": f"{row['rate']:.0f}/s, {100 * row['accuracy']:.1f} %",
            }
            for row in rows
        ]
    )
    order = [row["name"] for row in rows]
    base = alt.Chart(table, width=560).encode(y=alt.Y("name:N", sort=order, title=None))
    rate = alt.X(
        "rate:Q", title="words per second, bytes to text", scale=alt.Scale(domainMax=table["high"].max() * 1.2)
    )
    bars = base.mark_bar(color=SERIES[0]).encode(x=rate)
    spread = base.mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q")
    text = base.mark_text(align="left", dx=8).encode(x="high:Q", text="label:N")
    return svg_of(bars + spread + text)


def frontier_chart(contestants: dict[str, dict[str, Any]]) -> str:
    """Accuracy with its interval against core-milliseconds per word, rows of ours and peers; an SVG."""
    rows = [
        {
            **{"run": name, "cost": each["core_milliseconds"], "accuracy": 100 * each["accuracy"]},
            **{key: 100 * value for key, value in zip(("low", "high"), each["accuracy_ci95"], strict=True)},
        }
        for name, each in sorted(contestants.items(), key=lambda entry: entry[1]["core_milliseconds"])
    ]
    return svg_of(accuracy_against_cost(rows).properties(width=560, height=320))


def svg_of(chart: alt.LayerChart | alt.FacetChart) -> str:
    return vl_convert.vegalite_to_svg({**chart.to_dict(), "config": {**CONFIG, "background": "white"}})


def main(args: argparse.Namespace) -> None:
    files = {name: args.results / f"{name}.json" for name in FILES}
    results = {name: read_json(path) if path.exists() else None for name, path in files.items()}
    environment = Environment(
        loader=FileSystemLoader(HERE),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["median"] = statistics.median
    contests = [
        {"name": name, "title": title, "result": results[name], "rows": contest(results[name])}
        for name, title in CONTESTS.items()
        if results[name]
    ]
    page = environment.get_template("README.md.j2").render(
        results=results,
        contests=contests,
        commands={name: "python " + " ".join(result["command"]) for name, result in results.items() if result},
        medians={name: statistics.median(each) for name, each in (results["no_op"] or {}).get("seconds", {}).items()},
    )
    pictures = {f"{each['name']}.svg": contest_chart(each["rows"]) for each in contests}
    if results["peers"]:
        pictures["peers.svg"] = frontier_chart(results["peers"]["contestants"])
    for name, text in {"README.md": page, **pictures}.items():
        with atomic_path(args.output / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run(main, arguments())
