# What a row costs besides its time, and which layer is to blame: where the config asks, or `snakemake explain` does.


# Of two files of a model that ONNX Runtime runs. `measure.explain` brings it into the report.
rule explain_words:
    input:
        tensors=lambda w: layout.tensors(w.dataset, w.widths),
        contract=CONTRACT,
        before=lambda w: layout.reader(w.model, w.widths, w.before).files,
        after=lambda w: layout.reader(w.model, w.widths, w.after).files,
        read_before=lambda w: layout.predictions(w.dataset, w.model, w.widths, w.before),
        read_after=lambda w: layout.predictions(w.dataset, w.model, w.widths, w.after),
    output:
        explained=f"{RESULTS}/explained/{{dataset}}/{{model}}/{{widths}}/{{before}}/{{after}}.json",
    log:
        f"{LOGS}/explain_words/{{dataset}}.{{model}}.{{widths}}.{{before}}.{{after}}.log",
    benchmark:
        f"{LOGS}/explain_words/{{dataset}}.{{model}}.{{widths}}.{{before}}.{{after}}.tsv"
    conda:
        "../envs/onnx.yaml"
    threads: 2
    resources:
        **needs(mb=8000, minutes=120),
    params:
        **MAKERS.params("explain_words", "onnx"),
        widths=WIDTHS,
        labels=LABELS,
        tensors=parents_of("tensors"),
    message:
        "Finding the nodes that turn words from {wildcards.before} to {wildcards.after} ({wildcards.widths})"
    shell:
        r"""
        crnn explain_words --tensors {params.tensors:q} {params.widths:q} --contract {input.contract:q} \
            {params.labels:q} --model {input.before[0]:q} --predictions {input.read_before:q} \
            --model {input.after[0]:q} --predictions {input.read_after:q} --threads {threads} \
            --output {output.explained:q} >{log:q} 2>&1
        """


rule explain:
    input:
        {file for run in layout.runs for file in layout.explained(run).values()},
    message:
        "Words and the nodes that turned them: {input}"


# Where the config asks: starts in fresh processes, and requests as they come. Both take every core, as the clocks do.
for stage, costs in {"measure_starts": "starts", "load_words": "load"}.items():

    rule:
        name:
            stage
        input:
            words=WORDS,
            contract=CONTRACT,
            plan=lambda w: layout.plan(layout.deployments[w.deployment].widths),
            model=lambda w: reader_of(w).files,
        output:
            costs=f"{RUN}/{costs}.json",
            record=f"{RUN}/{costs}.record.json",
        log:
            f"{LOGS}/{stage}/{{dataset}}.{{model}}.{{deployment}}.log",
        benchmark:
            f"{LOGS}/{stage}/{{dataset}}.{{model}}.{{deployment}}.tsv"
        conda:
            runtime_env
        threads: all_cores
        resources:
            **ON_DEVICE,
            **needs(mb=8000, minutes=240),
        params:
            **made_by_runtime(stage),
            **SESSION,
            stage=stage,
            widths=WIDTHS,
            batch=option("batch", lambda w: reader_of(w).batch),
            measure=option("measure", config["measure"][costs]),
            limit=option("limit", config["measure"]["words"]),
            words=subpath(input.words, parent=True),
        message:
            f"Measuring the {costs} of {{wildcards.deployment}} (nothing else runs meanwhile)"
        shell:
            r"""
            crnn {params.stage} --words {params.words:q} {params.widths:q} --contract {input.contract:q} \
                --model {input.model[0]:q} {params.runtime:q} {params.options:q} {params.calls:q} {params.batch:q} \
                {params.measure:q} {params.limit:q} --threads {threads} --output {output.costs:q} \
                --record {output.record:q} >{log:q} 2>&1
            """
