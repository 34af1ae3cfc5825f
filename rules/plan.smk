# Sizes of words, costs of calls → plans of buckets: the widths and batch sizes of every `planned` width rule.
#
# measure_costs times a build that takes any width; plan_buckets chooses widths by it, and holds them against the
# accuracy budget on words of their own; plot_plan draws the choice. A plan belongs to a width rule, and names the
# deployment it is measured on, whose own widths are not planned. What reads tensors by the rule waits for the plan.

PLANS = f"{RESULTS}/plans/{{model}}/{{deployment}}"
# What of a width rule bounds its plan (crnn.planning.optimiser).
BOUNDS = "height", "stretch", "step", "min", "max", "buckets", "distortion", "batch", "accuracy_drop"


# As time_words: nothing else runs meanwhile.
rule measure_costs:
    input:
        contract=CONTRACT,
        model=lambda w: reader_of(w).files,
    output:
        costs=f"{PLANS}/costs.parquet",
        record=f"{PLANS}/costs.json",
    log:
        f"{LOGS}/measure_costs/{{model}}.{{deployment}}.log",
    benchmark:
        f"{LOGS}/measure_costs/{{model}}.{{deployment}}.tsv"
    conda:
        runtime_env
    threads: all_cores
    resources:
        **ON_DEVICE,
        **needs(mb=8000, minutes=120),
    params:
        **made_by_runtime("measure_costs"),
        **SESSION,
        grid=option("grid", picked(config["planning"], "widths", "batches", "repeats")),
    message:
        "Timing calls of {wildcards.deployment} by width and batch (nothing else runs meanwhile)"
    shell:
        r"""
        crnn measure_costs --model {input.model[0]:q} {params.runtime:q} {params.options:q} {params.calls:q} \
            --contract {input.contract:q} {params.grid:q} --threads {threads} --output {output.costs:q} --record {output.record:q} >{log:q} 2>&1
        """


rule plan_buckets:
    input:
        samples=lambda w: layout.counted_samples(w.widths, w.deployment),
        costs=f"{PLANS}/costs.parquet",
        words=layout.words(TUNING),
        contract=CONTRACT,
        model=lambda w: reader_of(w).files,
    output:
        plan=f"{PLANS}/{{widths}}/plan.json",
        record=f"{PLANS}/{{widths}}/record.json",
    log:
        f"{LOGS}/plan_buckets/{{model}}.{{deployment}}.{{widths}}.log",
    benchmark:
        f"{LOGS}/plan_buckets/{{model}}.{{deployment}}.{{widths}}.tsv"
    wildcard_constraints:
        widths=one_of(layout.planned),
    conda:
        runtime_env
    threads: 2
    resources:
        **ON_DEVICE,
        **needs(mb=4000, minutes=120),
    params:
        **made_by_runtime("plan_buckets"),
        **SESSION,
        bounds=option("bounds", lambda w: picked(config["widths"][w.widths], *BOUNDS)),
        pixels=option("pixels", lambda w: picked(config["widths"][w.widths], *OF_PIXELS)),
        labels=LABELS,
        words=subpath(input.words, parent=True),
    message:
        "Planning the buckets of {wildcards.widths} on {wildcards.deployment}"
    shell:
        r"""
        crnn plan_buckets --samples {input.samples:q} --costs {input.costs:q} --words {params.words:q} \
            {params.bounds:q} {params.pixels:q} {params.labels:q} --contract {input.contract:q} --model {input.model[0]:q} \
            {params.runtime:q} {params.options:q} --threads {threads} --output {output.plan:q} \
            --record {output.record:q} >{log:q} 2>&1
        """


rule plot_plan:
    input:
        plan=f"{PLANS}/{{widths}}/plan.json",
        costs=f"{PLANS}/costs.parquet",
    output:
        figure=report(
            f"{PLANS}/{{widths}}/plan.svg", category="Plans", labels={"widths": "{widths}", "on": "{deployment}"}
        ),
    log:
        f"{LOGS}/plot_plan/{{model}}.{{deployment}}.{{widths}}.log",
    benchmark:
        f"{LOGS}/plot_plan/{{model}}.{{deployment}}.{{widths}}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        **needs(mb=1000, minutes=5),
    params:
        **MAKERS.params("plot_plan", "report"),
    message:
        "Drawing the buckets of {wildcards.widths}"
    shell:
        r"""
        crnn plot_plan --plan {input.plan:q} --costs {input.costs:q} --output {output.figure:q} >{log:q} 2>&1
        """


rule plan:
    input:
        [plan.replace(".json", ".svg") for name in layout.planned for plan in layout.plan(name)],
    message:
        "Buckets are planned: {input}"
