"""Compare two reports: accuracy word by word, flipped words, speed with its spread, and a verdict for CI.

  crnn compare_reports --old baseline/report --new results/report --output-dir results/comparison

A side is a report's folder, its report.json, or the results folder around it. Prints a table and writes index.html and
comparison.json. The exit status is 1 where a budget is exceeded (accuracy_drop, flipped and slowdown, each of the new
report against the old one), after both files are written. The budgets are those of the new report unless given:

  --budgets '{"accuracy_drop": 0.005, "flipped": 0.01, "slowdown": 0.1}'
"""

from crnn.core.command import Arguments, Command
from crnn.core.errors import UserError
from crnn.core.files import write_json, write_text
from crnn.core.record import Record
from crnn.report.comparison import Side, compare_reports, console_table
from crnn.report.page import comparison_page
from crnn.score.budgets import judge_budgets, require_kept, verdict_rows


def arguments(command: Command) -> None:
    command.add_path("--old", "the report to compare with")
    command.add_path("--new", "the report to judge")
    command.add_json("--budgets", "as in config `budgets`; default: those of the new report", required=False)
    command.add_path("--output-dir", "folder for index.html and comparison.json")
    command.add_argument("--exit-zero", action="store_true", help="leave the verdict to comparison.json")


def main(args: Arguments) -> None:
    args.record = args.output_dir / "record.json"
    record = Record.begin(args, [], ("jinja2", "polars"), old=str(args.old), new=str(args.new))
    comparison = compare_reports(Side.read(args.old), Side.read(args.new))
    if not comparison.changes:
        raise UserError(f"{args.new}: has no dataset, model and deployment in common with {args.old}")
    budgets = dict(comparison.new.budgets if args.budgets is None else args.budgets)
    verdicts = judge_budgets([change.row for change in comparison.changes], budgets)
    page, data = args.output_dir / "index.html", args.output_dir / "comparison.json"
    write_text(page, comparison_page(comparison, verdicts))
    write_json(data, {**comparison.json, "budgets": budgets, "verdicts": verdict_rows(verdicts)})
    record.finish([page, data])
    print(console_table(comparison))
    if not args.exit_zero:
        require_kept(verdicts, page)
    print(f"{sum(verdict.kept for verdict in verdicts)} of {len(verdicts)} budgets kept; {page}")
