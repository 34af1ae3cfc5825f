# Texts and times → scores, audit, page, verdict.
#
# score_run and audit_run make a run's row; make_report joins the rows; check_budgets fails the run where a deployment
# lost more than the config allows. The page is complete either way, so that a failure can be looked into.


rule score_run:
    input:
        samples=tensors_of("samples.parquet"),
        predictions=f"{RUN}/predictions.parquet",
        batching=f"{RUN}/batching.json",
        timings=f"{RUN}/timings.parquet",
        texts=f"{RUN}/texts.parquet",
        timing_record=f"{RUN}/timings.json",
    output:
        run=f"{RUN}/run.json",
    log:
        "logs/score_run/{dataset}.{model}.{deployment}.log",
    conda:
        "../envs/score.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        code=code("score_run"),
        labels=LABELS,
        run=run_identity,
    message:
        "Scoring {wildcards.deployment} on {wildcards.dataset}"
    shell:
        r"""
        crnn score_run --run {params.run:q} --labels {params.labels:q} --samples {input.samples:q} \
            --predictions {input.predictions:q} --batching {input.batching:q} --timings {input.timings:q} \
            --texts {input.texts:q} --timing-record {input.timing_record:q} --output {output.run:q} >{log:q} 2>&1
        """


rule audit_run:
    input:
        samples=tensors_of("samples.parquet"),
        references=references_of,
        proof=lambda w: f"{reference_folder(w)}/proof.json",
        predictions=f"{RUN}/predictions.parquet",
    output:
        audit=f"{RUN}/audit.json",
        flips=f"{RUN}/audit.parquet",
    log:
        "logs/audit_run/{dataset}.{model}.{deployment}.log",
    conda:
        "../envs/score.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        code=code("audit_run"),
        labels=LABELS,
        stages=lambda w, input: [f"--stage={Path(file).stem}={file}" for file in input.references],
        last=lambda w, input: f"--stage=build={input.predictions}",
    message:
        "Following the words to {wildcards.deployment} on {wildcards.dataset}"
    shell:
        r"""
        crnn audit_run --samples {input.samples:q} --labels {params.labels:q} {params.stages:q} \
            {params.last:q} --proof {input.proof:q} --output {output.audit:q} --flips {output.flips:q} >{log:q} 2>&1
        """


# snakemake --cores 1 results/runs/sample/crnn/ort/errors.json; the card of a trained checkpoint shows it.
rule analyse_errors:
    input:
        tensors=tensors_of("contract.json"),
        buckets=bucket_plan,
        predictions=f"{RUN}/predictions.parquet",
        run=f"{RUN}/run.json",
    output:
        errors=f"{RUN}/errors.json",
    log:
        "logs/analyse_errors/{dataset}.{model}.{deployment}.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        code=code("analyse_errors"),
        widths=width_settings,
        labels=LABELS,
        charset=charset,
        tensors=subpath(input.tensors, parent=True),
    message:
        "Finding where {wildcards.deployment} misreads {wildcards.dataset}"
    shell:
        r"""
        crnn analyse_errors --tensors {params.tensors:q} --widths {params.widths:q} --charset {params.charset:q} \
            --labels {params.labels:q} --run {input.run:q} --predictions {input.predictions:q} \
            --output {output.errors:q} >{log:q} 2>&1
        """


rule make_report:
    input:
        runs=of_runs(f"{RUN}/run.json"),
        audits=of_runs(f"{RUN}/audit.json"),
        flips=of_runs(f"{RUN}/audit.parquet"),
        predictions=of_runs(f"{RUN}/predictions.parquet"),
        timings=of_runs(f"{RUN}/timings.parquet"),
        samples=of_runs("results/datasets/{dataset}/tensors/{widths}/samples.parquet"),
        contracts=of_runs("results/datasets/{dataset}/tensors/{widths}/contract.json"),
        words=of_runs("results/datasets/{dataset}/words.lmdb/data.mdb"),
        records=of_records(),
        published=shipped("resources/published.json"),
        previous=previous_report(),
        training=list(training_logs().values()),
        plans=list(plan_pictures()),
    output:
        page=report(
            "results/report/index.html",
            category="Report",
            labels={"what": "accuracy and end-to-end time"},
        ),
        rows="results/report/report.json",
        accuracy="results/report/accuracy.csv",
        audit="results/report/audit.csv",
        readings="results/report/readings.parquet",
        record="results/report/record.json",
    log:
        "logs/make_report.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=grows(4000),
        runtime=grows(30),
    params:
        code=code("make_report", *REPORT_ASSETS),
        contents=contents(shipped("resources/published.json"), previous_report()),
        budgets=canonical(config["budgets"]),
        report=canonical(config["report"]),
        runs=canonical([" ".join(run.values()) for run in RUNS]),
        skipped=canonical(SKIPPED),
        inputs=lambda w, input: canonical(report_inputs()),
        directory=subpath(output.page, parent=True),
    message:
        "Writing results/report"
    shell:
        r"""
        crnn make_report --inputs {params.inputs:q} --published {input.published:q} \
            --output-dir {params.directory:q} --record {output.record:q} >{log:q} 2>&1
        """


# Reads one small file: on a cluster it is not worth a job. And an exceeded budget is exceeded the second time too.
rule check_budgets:
    input:
        rows="results/report/report.json",
    output:
        verdicts="results/report/budgets.json",
    log:
        "logs/check_budgets.log",
    retries: 0
    localrule: True
    conda:
        "../envs/score.yaml"
    threads: 1
    resources:
        mem_mb=grows(500),
        runtime=grows(5),
    params:
        code=code("check_budgets"),
        budgets=canonical(config["budgets"]),
    message:
        "Holding every deployment against the budgets"
    shell:
        r"""
        crnn check_budgets --report {input.rows:q} --budgets {params.budgets:q} --output {output.verdicts:q} \
            >{log:q} 2>&1
        """


# Word by word against the report that report.previous names. The verdict is check_comparison's, so that the page stays
# when it is bad; `make compare OLD=… NEW=…` compares any two reports with the same stage, outside the workflow.
rule compare_reports:
    input:
        previous=named_previous,
        rows="results/report/report.json",
        readings="results/report/readings.parquet",
    output:
        page="results/comparison/index.html",
        rows="results/comparison/comparison.json",
        record="results/comparison/record.json",
    log:
        "logs/compare_reports.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=grows(4000),
        runtime=grows(30),
    params:
        code=code("compare_reports", *REPORT_ASSETS),
        contents=contents(previous_report()),
        budgets=canonical(config["budgets"]),
        old=lambda w, input: input.previous[0],
        directory=subpath(output.page, parent=True),
    message:
        "Comparing with the report that report.previous names"
    shell:
        r"""
        crnn compare_reports --old {params.old:q} --new {input.rows:q} --budgets {params.budgets:q} --exit-zero \
            --output-dir {params.directory:q} >{log:q} 2>&1
        """


use rule check_budgets as check_comparison with:
    input:
        rows="results/comparison/comparison.json",
    output:
        verdicts="results/comparison/budgets.json",
    log:
        "logs/check_comparison.log",
    message:
        "Holding every deployment against what it was"
