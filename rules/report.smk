# Texts and times → scores, audit, page, verdict.
#
# score_run and audit_run make a run's row; make_report joins the rows; check_budgets fails the run where a deployment
# lost more than the config allows. The page is complete either way, so that a failure can be looked into. `compare`
# sets the report beside the one that report.previous names.

BUDGETS = option("budgets", config["budgets"])
TEMPLATES = tuple(path.relative_to(STAGES).as_posix() for path in sorted((STAGES / "crnn/report/templates").iterdir()))
PUBLISHED = layout.shipped("resources/published.json")


rule score_run:
    input:
        samples=lambda w: layout.tensors_of(run_of(w), "samples.parquet"),
        predictions=lambda w: layout.predictions_of(run_of(w)),
        batching=f"{RUN}/batching.json",
        timings=f"{RUN}/timings.parquet",
        texts=f"{RUN}/texts.parquet",
        timing_record=f"{RUN}/timings.json",
        costs=lambda w: layout.costs(run_of(w)),
        quantised=lambda w: layout.quantised_record(run_of(w)),
    output:
        run=f"{RUN}/run.json",
    log:
        f"{LOGS}/score_run/{{dataset}}.{{model}}.{{deployment}}.log",
    benchmark:
        f"{LOGS}/score_run/{{dataset}}.{{model}}.{{deployment}}.tsv"
    conda:
        "../envs/score.yaml"
    resources:
        **needs(mb=2000, minutes=30),
    params:
        **MAKERS.params("score_run", "score"),
        labels=LABELS,
        run=option("run", lambda w: layout.run_identity(run_of(w))),
        costs=lambda w, input: ["--costs", *input.costs] if input.costs else [],
        quantised=lambda w, input: [f"--quantised={file}" for file in input.quantised],
    message:
        "Scoring {wildcards.deployment} on {wildcards.dataset}"
    shell:
        r"""
        crnn score_run {params.run:q} {params.labels:q} --samples {input.samples:q} --predictions {input.predictions:q} \
            {params.quantised:q} --batching {input.batching:q} --timings {input.timings:q} --texts {input.texts:q} \
            --timing-record {input.timing_record:q} {params.costs:q} --output {output.run:q} >{log:q} 2>&1
        """


rule audit_run:
    input:
        samples=lambda w: layout.tensors_of(run_of(w), "samples.parquet"),
        readings=lambda w: [file for files in layout.audited(run_of(w)).values() for file in files],
        surgery=lambda w: layout.surgery_records(run_of(w)),
        explained=lambda w: layout.explained(run_of(w)).values() if config["measure"]["explain"] else [],
    output:
        audit=f"{RUN}/audit.json",
        flips=f"{RUN}/audit.parquet",
    log:
        f"{LOGS}/audit_run/{{dataset}}.{{model}}.{{deployment}}.log",
    benchmark:
        f"{LOGS}/audit_run/{{dataset}}.{{model}}.{{deployment}}.tsv"
    conda:
        "../envs/score.yaml"
    resources:
        **needs(mb=2000, minutes=30),
    params:
        **MAKERS.params("audit_run", "score"),
        labels=LABELS,
        stages=lambda w: [
            f"--stage={name}={file}" for name, files in layout.audited(run_of(w)).items() for file in files
        ],
        surgery=lambda w, input: ["--surgery", *input.surgery] if input.surgery else [],
        explained=lambda w, input: [
            f"--explained={stage}={file}" for stage, file in layout.explained(run_of(w)).items() if input.explained
        ],
    message:
        "Following the words to {wildcards.deployment} on {wildcards.dataset}"
    shell:
        r"""
        crnn audit_run --samples {input.samples:q} {params.labels:q} {params.stages:q} {params.surgery:q} \
            {params.explained:q} --output {output.audit:q} --flips {output.flips:q} >{log:q} 2>&1
        """


# snakemake --cores 1 results/runs/sample/crnn/ort/errors.json; the card of a trained checkpoint shows it.
rule analyse_errors:
    input:
        tensors=lambda w: layout.tensors_of(run_of(w)),
        contract=CONTRACT,
        predictions=lambda w: layout.predictions_of(run_of(w)),
        run=f"{RUN}/run.json",
    output:
        errors=f"{RUN}/errors.json",
    log:
        f"{LOGS}/analyse_errors/{{dataset}}.{{model}}.{{deployment}}.log",
    benchmark:
        f"{LOGS}/analyse_errors/{{dataset}}.{{model}}.{{deployment}}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        **needs(mb=2000, minutes=30),
    params:
        **MAKERS.params("analyse_errors", "report"),
        widths=WIDTHS,
        labels=LABELS,
        tensors=parents_of("tensors"),
    message:
        "Finding where {wildcards.deployment} misreads {wildcards.dataset}"
    shell:
        r"""
        crnn analyse_errors --tensors {params.tensors:q} --predictions {input.predictions:q} {params.widths:q} \
            --contract {input.contract:q} {params.labels:q} --run {input.run:q} --output {output.errors:q} >{log:q} 2>&1
        """


rule make_report:
    input:
        runs=layout.of_runs(f"{RUN}/run.json", f"{RUN}/audit.json", f"{RUN}/audit.parquet", f"{RUN}/timings.parquet"),
        predictions=[file for run in layout.runs for file in layout.predictions_of(run)],
        tensors=layout.of_runs(f"{TENSORS}/samples.parquet", f"{TENSORS}/contract.json"),
        words=layout.of_runs(WORDS),
        records=layout.records,
        published=PUBLISHED,
        previous=layout.previous_report,
        training=list(layout.training_logs.values()),
        plans=[plan.replace(".json", ".svg") for plan in layout.plans.values()],
    output:
        page=report(f"{RESULTS}/report/index.html", category="Report", labels={"what": "accuracy and end-to-end time"}),
        rows=f"{RESULTS}/report/report.json",
        accuracy=f"{RESULTS}/report/accuracy.csv",
        audit=f"{RESULTS}/report/audit.csv",
        readings=f"{RESULTS}/report/readings.parquet",
        record=f"{RESULTS}/report/record.json",
    log:
        f"{LOGS}/make_report.log",
    benchmark:
        f"{LOGS}/make_report.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        **needs(mb=4000, minutes=30),
    params:
        **MAKERS.params("make_report", "report", files=TEMPLATES),
        held=held(PUBLISHED, layout.previous_report),
        budgets=BUDGETS,
        report=option("report", config["report"]),
        runs=canonical([" ".join(layout.run_identity(run).values()) for run in layout.runs]),
        skipped=canonical(layout.skipped),
        inputs=lambda w, input: canonical(layout.report_inputs()),
        directory=subpath(output.page, parent=True),
    message:
        "Writing {output.page}"
    shell:
        r"""
        crnn make_report --inputs {params.inputs:q} --published {input.published:q} --output-dir {params.directory:q} \
            --record {output.record:q} >{log:q} 2>&1
        """


# Reads one small file: on a cluster it is not worth a job. And an exceeded budget is exceeded the second time too.
rule check_budgets:
    input:
        rows=f"{RESULTS}/report/report.json",
    output:
        verdicts=f"{RESULTS}/report/budgets.json",
    log:
        f"{LOGS}/check_budgets.log",
    benchmark:
        f"{LOGS}/check_budgets.tsv"
    retries: 0
    localrule: True
    conda:
        "../envs/score.yaml"
    resources:
        **needs(mb=500, minutes=5),
    params:
        **MAKERS.params("check_budgets", "score"),
        budgets=BUDGETS,
    message:
        "Holding every deployment against the budgets"
    shell:
        r"""
        crnn check_budgets --report {input.rows:q} {params.budgets:q} --output {output.verdicts:q} >{log:q} 2>&1
        """
