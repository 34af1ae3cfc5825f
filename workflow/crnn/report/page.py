"""index.html: gathers what the template shows, dataset by dataset, and renders it; and the page of a comparison."""

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources
from inspect import getmembers, isfunction
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from crnn.report import format as formats
from crnn.report.comparison import ReportComparison
from crnn.report.drawing.charts import Named, figures
from crnn.report.drawing.palette import NEUTRALS
from crnn.report.drawing.thumbnails import HEIGHT, WIDTH, thumbnails
from crnn.report.drawing.training_curve import read_log, training
from crnn.report.inputs import Object, Run, run_names
from crnn.report.tables import Report
from crnn.report.words import DatasetWords, bad_records, path_of
from crnn.score.accuracy import evaluation_means
from crnn.score.budgets import Verdict, judge_budgets

LISTED = 200  # bad records of a dataset, and flipped words of a run in a comparison; the rest are counted


def _by_device(runs: Named) -> dict[str, Named]:
    """The runs of every device, best first: highest accuracy, then shortest end-to-end time; simulated runs last."""

    def rank(named: tuple[str, Run]) -> tuple[bool, float, float]:
        row = named[1].row
        return (row["simulated"], -row["accuracy"], row["e2e"]["seconds"] if row["e2e"] else float("inf"))

    devices: dict[str, list[tuple[str, Run]]] = {}
    for name, run in sorted(runs, key=rank):
        devices.setdefault(run.row["device"], []).append((name, run))
    return dict(devices)


def _group(dataset: str, runs: Sequence[Run], budgets: dict[str, float]) -> Object:
    """The runs of one dataset, each with its name, and everything the page says of them."""
    names = run_names(runs)
    named, words = list(zip(names, runs, strict=True)), DatasetWords(runs, names)
    return {
        "dataset": dataset,
        "runs": named,
        "devices": _by_device(named),
        "verdicts": judge_budgets([run.row for run in runs], budgets),
        "figures": figures(named),
        "words": words,
        "paths": [(name, path_of(place, words)) for place, name in enumerate(names)],
        "statuses": runs[0].row["statuses"],
        "bad": bad_records(runs[0], LISTED),
    }


def _hosts(runs: Sequence[Run]) -> list[Object]:
    """The distinct machines that ran something, each with the deployments it ran."""
    unknown = dict.fromkeys(("cpu", "cores", "memory_gib", "system", "python"), "?")
    hosts: dict[tuple[Any, ...], Object] = {}
    for row in (run.row for run in runs):
        key = tuple(row["host"].get(name) for name in ("name", "cpu", "cores"))
        ran = hosts.setdefault(key, {**unknown, **row["host"], "runs": {}})["runs"]
        ran[row["deployment"]] = None
    return list(hosts.values())


def _embedded_words(words: DatasetWords, limit: int) -> tuple[Object, list[str | bool | None]]:
    """What the script gets of a dataset in `limit` bytes, at most half of them for texts, and pictures of its words.

    A picture is Base64, False where an image cannot be decoded, None beyond the limit.
    """
    kept = words.kept(limit // 2)
    made = thumbnails(words.runs[0].files.words, kept["word"], limit - int(kept["bytes"].sum()))
    return words.columns(kept), [(made[word] or False) if word in made else None for word in sorted(kept["word"])]


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("crnn.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {**dict(getmembers(formats, isfunction)), "data_uri": _data_uri}
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":"), "allow_nan": False}
    environment.globals["neutrals"] = NEUTRALS
    return environment


def _data_uri(svg: str) -> str:
    """An SVG for an img element, where browsers run none of its scripts and follow none of its links."""
    return f"data:image/svg+xml;base64,{base64.b64encode(Path(svg).read_bytes()).decode('ascii')}"


def page(report: Report) -> str:
    """Render the report as one HTML document that needs no other file and no network."""
    inputs, runs = report.inputs, report.runs
    datasets: dict[str, list[Run]] = {}
    for run in runs:
        datasets.setdefault(run.row["dataset"], []).append(run)
    groups = [_group(dataset, of, inputs.budgets) for dataset, of in datasets.items()]
    limit = int(inputs.words_mib * 2**20) // len(groups)
    columns, pictures = zip(*(_embedded_words(group["words"], limit) for group in groups), strict=True)
    data = [{"name": group["dataset"], **words} for group, words in zip(groups, columns, strict=True)]
    script = resources.files("crnn.report").joinpath("templates", "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    template = _environment().get_template("page.html.j2")
    return template.render(
        **vars(report),
        groups=groups,
        evaluations=evaluation_means([run.row for run in runs], inputs.evaluations),
        hosts=_hosts(runs),
        trainings=[training(each["model"], read_log(Path(each["log"]))) for each in inputs.training],
        gate_sizes=sorted({size for run in runs if run.row["batching"] for size in run.row["batching"]["sizes"]}),
        picture_size=(WIDTH, HEIGHT),
        held=sum(len(each["words"]["index"]) for each in data),
        listed=sum(each["total"] for each in data),
        pictured=sum(each is not None for every in pictures for each in every),
        data=data,
        pictures=pictures,
        script=Markup(script),  # the package's own file, as the stylesheet is; nothing from outside enters it
        script_digest=f"sha256-{digest}",  # as a content security policy names the one script that may run
    )


def comparison_page(comparison: ReportComparison, verdicts: Sequence[Verdict]) -> str:
    """Render a comparison of two reports as one HTML document without a script."""
    template = _environment().get_template("compare.html.j2")
    return template.render(comparison=comparison, verdicts=verdicts, most=LISTED)
