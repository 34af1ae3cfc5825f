"""index.html: gathers what the template shows, dataset by dataset, and renders it.

Not here: the page's look (`page.css.j2`), its words and structure (`page.html.j2`), how a number is written
(`crnn.report.format`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from crnn.budgets import Verdict, judge_budgets
from crnn.report import format as formats
from crnn.report import pictures
from crnn.report.charts import Figure, figures, run_name
from crnn.report.inputs import Inputs, Published, Run, StageRecord
from crnn.report.listings import (
    BadRecord,
    FlippedWord,
    Listing,
    WrongWord,
    bad_records,
    flipped_words,
    worst_words,
)
from crnn.report.palette import NEUTRALS

BAD_RECORDS = 200  # rows listed per dataset; the rest are counted
FILTERS = (
    *("count", "percent", "percent_range", "decimals", "significant", "seconds", "probability", "difference"),
    *("file_size", "figures", "moment", "command", "budget", "budget_name", "visible", "compared"),
)


@dataclass(frozen=True)
class Group:
    """The runs of one dataset and everything the page says of them."""

    dataset: str
    runs: tuple[Run, ...]
    inputs: Inputs

    @property
    def best(self) -> Run:
        """Highest accuracy, then shortest end-to-end time; simulated runs last."""

        def rank(run: Run) -> tuple[bool, float, float]:
            time = run.scores.e2e.seconds if run.scores.e2e else float("inf")
            return (run.scores.simulated, -run.scores.accuracy, time)

        return min(self.runs, key=rank)

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
    def worst(self) -> list[Listing[WrongWord]]:
        return worst_words(self.runs, self.inputs.pictures)

    @cached_property
    def flipped(self) -> list[Listing[FlippedWord]]:
        return flipped_words(self.runs, self.inputs.pictures)

    @cached_property
    def bad(self) -> list[Listing[BadRecord]]:
        return bad_records(self.runs, BAD_RECORDS)


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


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("crnn.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({name: getattr(formats, name) for name in FILTERS})
    environment.filters["name_in"] = lambda run, group: run_name(run, group.runs)
    return environment


def stylesheet(neutrals: Mapping[str, tuple[str, str]] = NEUTRALS) -> str:
    """The page's CSS with the palette filled in."""
    return _environment().get_template("page.css.j2").render(neutrals=neutrals)


def page(
    inputs: Inputs,
    runs: Sequence[Run],
    published: Sequence[Published],
    records: Sequence[StageRecord],
    generated: str,
) -> str:
    """Render the report as one HTML document that needs no other file, no script and no network."""
    groups = _groups(inputs, runs)
    with pictures.Pictures() as thumbnails:
        return (
            _environment()
            .get_template("page.html.j2")
            .render(
                title=inputs.title,
                generated=generated,
                groups=groups,
                runs=runs,
                hosts=_hosts(runs),
                published=published,
                records=records,
                gate_sizes=sorted({size for run in runs if run.scores.batching for size in run.scores.batching.sizes}),
                any_flips=any(group.flipped for group in groups),
                pictures=thumbnails,
                picture_size=(pictures.WIDTH, pictures.HEIGHT),
                most_pictures=inputs.pictures,
                # The stylesheet is the package's own file; nothing from outside enters it.
                stylesheet=Markup(stylesheet()),
            )
        )
