"""Hold every row of a report against the budgets of the config, and fail where one is exceeded.

  --budgets '{"accuracy_drop": 0.005, "flipped": 0.01, "changed_by_surgery": 0, "max_abs_difference": 1e-5,
              "changed_by_batching": 0, "changed_by_repeating": 0}'

This runs after the report, which is complete either way: look there for the words behind a failure.
"""

from crnn.core.command import LOG, Arguments, Command
from crnn.core.files import read_json, write_json
from crnn.score.budgets import judge_budgets, require_kept, verdict_rows


def arguments(command: Command) -> None:
    command.add_path("--report", "report.json")
    command.add_json("--budgets", "as in config `budgets`")
    command.add_output("budgets.json to write", record=False)


def main(args: Arguments) -> None:
    verdicts = judge_budgets(read_json(args.report)["rows"], args.budgets)
    require_kept(verdicts, args.report.with_name("index.html"))
    LOG.info("%d budgets kept", len(verdicts))
    write_json(args.output, {"verdicts": verdict_rows(verdicts)})
