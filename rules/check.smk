# Every row on a few rendered words, and a table of how far each came.
#
# snakemake --cores 4 --keep-going check --configfile config/nvidia.yaml config/check.yaml. What a row lacks fails that
# row alone; so the table is made when Snakemake ends, however it ends, of what the DAG then has.


# A rule that runs something and leaves nothing is always run: a check with nothing left to do shows its table too.
rule check:
    input:
        lambda w: checked_files(layout),
    log:
        f"{LOGS}/check.log",
    localrule: True
    message:
        "Every row is checked"
    run:
        pass


COMMIT = f"git -C {shlex.quote(str(ROOT))} rev-parse --short HEAD"
summary = lambda rows: write_check(
    rows,
    config["budgets"],
    {"crnn-dynamic": subprocess.getoutput(COMMIT), **installed(layout)},
    Path(RESULTS) / "check.md",
)


onsuccess:
    if (rows := checked_rows(layout, workflow.dag)) and (failed := summary(rows)):
        raise WorkflowError(failed)


onerror:
    if rows := checked_rows(layout, workflow.dag):
        print(summary(rows), file=sys.stderr)
