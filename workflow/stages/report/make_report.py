"""Make the report: index.html, report.json, accuracy.csv, audit.csv and readings.parquet in the output folder.

Reads only what other stages left and the published figures. --inputs is one JSON object:

  {"title": "…", "words_mib": 16, "previous": "…/report.json",
   "budgets": {"accuracy_drop": 0.005, "flipped": 0.01, …},
   "records": ["results/….json", …],
   "runs": [{"dataset": "…", "model": "…", "deployment": "…",
             "run": "…/run.json", "audit": "…/audit.json", "flips": "…/audit.parquet",
             "predictions": ["…/1.parquet", …], "timings": "…/timings.parquet",
             "samples": ["…/samples.parquet", …], "words": "…/words.lmdb"}, …],
   "skipped": [{"deployment": "…", "widths": "…", "runtime": "…", "precision": "…", "reason": "…"}, …],
   "evaluations": {"six": ["CUTE80", "SVT", …], …},
   "drawings": [{"title": "…", "caption": "…", "svg": "….svg"}, …],
   "training": [{"model": "…", "log": "…/log.jsonl"}, …]}

Only `runs` is required. `predictions` and `samples` name the parts of a dataset in order; contract.json is read beside
the first samples, for the label policy.
"""

from datetime import UTC, datetime

from crnn.core.command import LOG, Arguments, Command
from crnn.core.files import write_json, write_text
from crnn.core.record import Record, describe_host
from crnn.core.tables import write_table
from crnn.report.comparison import Side, compare_reports, readings_table
from crnn.report.inputs import Inputs, Run, read_published, read_record
from crnn.report.page import page
from crnn.report.tables import Report, accuracy_table, audit_table


def arguments(command: Command) -> None:
    command.add_json("--inputs", "what to report on, as above")
    command.add_path("--published", "published figures with their sources (JSON)")
    command.add_path("--output-dir", "folder to write the five files to")
    command.add_record()


def main(args: Arguments) -> None:
    inputs = Inputs.from_json(args.inputs)
    runs, published = [Run.read(files) for files in inputs.runs], read_published(args.published)
    stage_records = [read_record(path) for path in inputs.records]
    tools = ("altair", "vl-convert-python", "jinja2", "polars", "opencv-python-headless")
    sources = [*inputs.files, *inputs.records, args.published]
    record = Record(args.command.stage, sources, args.inputs, tools, args.record)
    now, read = datetime.now(UTC), readings_table(runs)
    names = ("index.html", "report.json", "accuracy.csv", "audit.csv", "readings.parquet")
    html, contract, accuracy, audit, readings = outputs = [args.output_dir / name for name in names]
    this = Side(now.isoformat(timespec="seconds"), [run.row for run in runs], inputs.budgets, read)
    comparison = compare_reports(Side.read(inputs.previous), this) if inputs.previous else None
    report = Report(inputs, runs, published, stage_records, now, describe_host(), comparison)
    write_text(html, page(report))
    write_json(contract, report.json)
    write_table(accuracy, accuracy_table(runs))
    write_table(audit, audit_table(runs))
    write_table(readings, read)
    LOG.info("%d runs, page of %.1f MiB: %s", len(runs), html.stat().st_size / 2**20, html)
    record.finish(outputs, runs=len(runs), page_bytes=html.stat().st_size)
