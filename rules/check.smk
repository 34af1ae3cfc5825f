# Every row on a few rendered words, and a table of how far each came.
#
# snakemake --cores 4 --keep-going check --configfile config/nvidia.yaml config/check.yaml. What a row lacks fails that
# row alone; so the table is made when Snakemake ends, however it ends, of what the DAG then has.


# A rule that runs something and leaves nothing is always run: a check with nothing left to do shows its table too.
rule check:
    input:
        lambda w: [file for steps in rows_to_check(layout).values() for files in steps.values() for file in files],
    log:
        f"{LOGS}/check.log",
    localrule: True
    message:
        "Every row is checked"
    run:
        pass


COMMIT = f"git -C {shlex.quote(str(ROOT))} rev-parse --short HEAD"
checked_so_far = lambda: [CheckedRow.read(*row) for row in progress(layout, workflow.dag)]
check_versions = lambda: {"crnn-dynamic": subprocess.getoutput(COMMIT), **installed(layout)}
tell_check = lambda rows: write_check(rows, config["budgets"], check_versions(), Path(RESULTS) / "check.md")


onsuccess:
    if (rows := checked_so_far()) and (failed := tell_check(rows)):
        raise WorkflowError(failed)


onerror:
    if rows := checked_so_far():
        print(tell_check(rows), file=sys.stderr)
