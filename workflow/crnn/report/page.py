"""index.html: gathers what the template shows, dataset by dataset, and renders it; and the page of a comparison.

Not here: the pages' look (`page.css.j2`), words and structure (`page.html.j2`, `compare.html.j2`), behaviour
(`page.js`), how a number is written (`crnn.report.format`).
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from crnn.report import format as formats
from crnn.report.comparison import ReportComparison
from crnn.report.drawing.audit_path import AuditPath, path_of
from crnn.report.drawing.charts import Figure, figures, run_name, training
from crnn.report.drawing.palette import NEUTRALS
from crnn.report.drawing.thumbnails import HEIGHT, WIDTH, thumbnails
from crnn.report.drawing.training_curve import read_log
from crnn.report.inputs import Drawing, Inputs, Published, Run, StageRecord
from crnn.report.words import BadRecord, DatasetWords, bad_records
from crnn.score.budgets import Verdict, judge_budgets

BAD_RECORDS = 200  # rows listed per dataset; the rest are counted
OUTPUTS = 4  # of a stage that stand open; a stage of tensors has dozens
FLIPPED = 200  # rows listed per run of a comparison; the rest are counted
FILTERS = (
    *("count", "percent", "percent_range", "decimals", "significant", "seconds", "probability", "difference"),
    *("file_size", "figures", "moment", "command", "budget", "budget_name", "visible", "compared", "points", "ratio"),
    *("settings", "visible_lines", "flip_kind"),
)


@dataclass(frozen=True)
class Best:
    """The best run of one device: highest accuracy, then shortest end-to-end time; simulated runs last."""

    device: str
    run: Run
    of: int


@dataclass(frozen=True)
class Group:
    """The runs of one dataset and everything the page says of them."""

    dataset: str
    runs: tuple[Run, ...]
    inputs: Inputs

    @property
    def names(self) -> list[str]:
        return [run_name(run, self.runs) for run in self.runs]

    @property
    def bests(self) -> list[Best]:
        """The best run of every device, the best of them first."""

        def rank(run: Run) -> tuple[bool, float, float]:
            time = run.scores.e2e.seconds if run.scores.e2e else float("inf")
            return (run.scores.simulated, -run.scores.accuracy, time)

        devices: dict[str, list[Run]] = {}
        for run in sorted(self.runs, key=rank):
            devices.setdefault(run.scores.device, []).append(run)
        return [Best(device, runs[0], len(runs)) for device, runs in devices.items()]

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """Every budget held against every run of this dataset."""
        return judge_budgets([run.row for run in self.runs], dict(self.inputs.budgets))

    @property
    def exceeded(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if not verdict.kept]

    @cached_property
    def figures(self) -> list[Figure]:
        return figures(self.runs)

    @cached_property
    def words(self) -> DatasetWords:
        return DatasetWords(self.runs, self.names)

    @cached_property
    def paths(self) -> list[AuditPath]:
        return [path_of(run, place, self.words) for place, run in enumerate(self.runs)]

    @cached_property
    def bad(self) -> tuple[list[BadRecord], int]:
        return bad_records(self.runs[0], BAD_RECORDS)


def _groups(inputs: Inputs, runs: Sequence[Run]) -> list[Group]:
    datasets = dict.fromkeys(run.files.dataset for run in runs)
    return [Group(name, tuple(run for run in runs if run.files.dataset == name), inputs) for name in datasets]


def _hosts(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """The distinct machines that ran something, each with the deployments it ran."""
    hosts: dict[tuple[Any, ...], dict[str, Any]] = {}
    for run in runs:
        facts = run.scores.host
        key = tuple(facts.get(name) for name in ("name", "cpu", "cores"))
        host = hosts.setdefault(
            key, {**dict.fromkeys(("cpu", "cores", "memory_gib", "system", "python"), "?"), **facts, "runs": []}
        )
        if run.files.deployment not in host["runs"]:
            host["runs"].append(run.files.deployment)
    return list(hosts.values())


def embedded_json(value: Any) -> Markup:
    """`value` for a script element of type application/json: no text in it can end the element or open a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e"))


def _embedded_words(groups: Sequence[Group], limit: int) -> tuple[list[dict[str, Any]], list[list[str | bool | None]]]:
    """What the script gets of each dataset, and the pictures of its words: Base64, False where an image cannot be
    decoded, None beyond the limit. Each dataset has an equal part of `limit` bytes, at most half of it for texts."""
    data, pictures = [], []
    for group in groups:
        part = limit // len(groups)
        kept = group.words.kept(part // 2)
        made = thumbnails(group.runs[0].files.words, kept["word"], part - int(kept["bytes"].sum()))
        data.append({"name": group.dataset, **group.words.columns(kept)})
        pictures.append([(made[word] or False) if word in made else None for word in sorted(kept["word"])])
    return data, pictures


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("crnn.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({name: getattr(formats, name) for name in FILTERS})
    environment.filters["name_in"] = lambda run, group: run_name(run, group.runs)
    environment.filters["data_uri"] = _data_uri
    return environment


def _data_uri(drawing: Drawing) -> str:
    """An SVG for an img element, where browsers run none of its scripts and follow none of its links."""
    return f"data:image/svg+xml;base64,{base64.b64encode(drawing.svg.read_bytes()).decode('ascii')}"


def stylesheet(neutrals: Mapping[str, tuple[str, str]] = NEUTRALS) -> Markup:
    """The pages' CSS with the palette filled in. It is the package's own file; nothing from outside enters it."""
    return Markup(_environment().get_template("page.css.j2").render(neutrals=neutrals))


def script() -> tuple[Markup, str]:
    """The page's script, and its hash as a content security policy names it: no other script runs on the page."""
    source = resources.files("crnn.report").joinpath("templates", "page.js").read_text(encoding="utf-8")
    digest = hashlib.sha256(source.encode()).digest()
    return Markup(source), f"sha256-{base64.b64encode(digest).decode('ascii')}"


def page(
    inputs: Inputs,
    runs: Sequence[Run],
    published: Sequence[Published],
    records: Sequence[StageRecord],
    generated: str,
    host: Mapping[str, Any],
    comparison: ReportComparison | None = None,
) -> str:
    """Render the report as one HTML document that needs no other file and no network.

    `host`: the machine that makes the report (`crnn.core.record.describe_host`); runs of others are marked as remote.
    `comparison`: with the report that `inputs` names as the previous one.
    """
    groups = _groups(inputs, runs)
    data, pictures = _embedded_words(groups, int(inputs.words_mib * 2**20))
    source, digest = script()
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            title=inputs.title,
            generated=generated,
            groups=groups,
            runs=runs,
            host=host,
            hosts=_hosts(runs),
            comparison=comparison,
            skipped=inputs.skipped,
            published=published,
            records=records,
            drawings=inputs.drawings,
            trainings=[training(each.model, read_log(each.log)) for each in inputs.training],
            gate_sizes=sorted({size for run in runs if run.scores.batching for size in run.scores.batching.sizes}),
            picture_size=(WIDTH, HEIGHT),
            words_mib=inputs.words_mib,
            most_outputs=OUTPUTS,
            held=sum(len(each["words"]["index"]) for each in data),
            listed=sum(each["total"] for each in data),
            pictured=sum(each is not None for every in pictures for each in every),
            data=embedded_json(data),
            pictures=embedded_json(pictures),
            stylesheet=stylesheet(),
            script=source,
            script_digest=digest,
        )
    )


def comparison_page(comparison: ReportComparison, verdicts: Sequence[Verdict]) -> str:
    """Render a comparison of two reports as one HTML document without a script."""
    template = _environment().get_template("compare.html.j2")
    return template.render(comparison=comparison, verdicts=verdicts, most=FLIPPED, stylesheet=stylesheet())
