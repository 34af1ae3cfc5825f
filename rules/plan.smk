# Sizes of words, costs of calls → plans of buckets: the widths and batch sizes of every `planned` width rule.
#
# measure_costs times a build that takes any width; plan_buckets chooses widths by it, and holds them against the
# accuracy budget on words of their own; plot_plan draws the choice. A plan belongs to a width rule, and names the
# deployment it is measured on, whose own widths are not planned. What reads tensors by the rule waits for the plan.

PLANS = "results/plans/{model}/{deployment}"


# As time_words: nothing else runs meanwhile.
rule measure_costs:
    input:
        build=build_files,
    output:
        costs=f"{PLANS}/costs.parquet",
        record=f"{PLANS}/costs.json",
    log:
        "logs/measure_costs/{model}.{deployment}.log",
    conda:
        runtime_env
    threads: all_cores
    resources:
        **ON_DEVICE,
        mem_mb=grows(8000),
        runtime=grows(120),
    params:
        code=runtime_code("measure_costs"),
        runtime=lambda w: deployment(w)["runtime"],
        options=runtime_options,
        lanes=lanes,
        grid=canonical({key: config["planning"][key] for key in ("widths", "batches", "repeats")}),
    message:
        "Timing calls of {wildcards.deployment} by width and batch (nothing else runs meanwhile)"
    shell:
        r"""
        crnn measure_costs --model {input.build[0]:q} --runtime {params.runtime:q} --options {params.options:q} \
            {params.lanes:q} --grid {params.grid:q} --threads {threads} --output {output.costs:q} \
            --record {output.record:q} >{log:q} 2>&1
        """


# Other words than those of any dataset: the seed is another.
use rule render_sample as render_tuning with:
    output:
        data="results/plans/words.lmdb/data.mdb",
        record="results/plans/words.json",
    log:
        "logs/render_tuning/words.log",
    params:
        words=config["planning"]["words"],
        seed=config["planning"]["seed"],
    message:
        "Rendering the words that plans are tuned on"


rule plan_buckets:
    input:
        samples=counted_samples,
        costs=f"{PLANS}/costs.parquet",
        words=tuning_words,
        build=build_files,
    output:
        plan=f"{PLANS}/{{widths}}/plan.json",
        record=f"{PLANS}/{{widths}}/record.json",
    log:
        "logs/plan_buckets/{model}.{deployment}.{widths}.log",
    wildcard_constraints:
        widths=one_of(PLANNED),
    conda:
        runtime_env
    threads: 2
    resources:
        **ON_DEVICE,
        mem_mb=grows(4000),
        runtime=grows(120),
    params:
        code=runtime_code("plan_buckets"),
        contents=contents(own_tuning_words),
        runtime=lambda w: deployment(w)["runtime"],
        options=runtime_options,
        charset=charset,
        bounds=plan_bounds,
        interpolation=plan_interpolation,
        labels=LABELS,
        words=subpath(input.words, parent=True),
    message:
        "Planning the buckets of {wildcards.widths} on {wildcards.deployment}"
    shell:
        r"""
        crnn plan_buckets --samples {input.samples:q} --costs {input.costs:q} --words {params.words:q} \
            --bounds {params.bounds:q} {params.interpolation:q} --labels {params.labels:q} --charset {params.charset:q} \
            --model {input.build[0]:q} --runtime {params.runtime:q} --options {params.options:q} --threads {threads} \
            --output {output.plan:q} --record {output.record:q} >{log:q} 2>&1
        """


rule plot_plan:
    input:
        plan=f"{PLANS}/{{widths}}/plan.json",
        costs=f"{PLANS}/costs.parquet",
    output:
        picture=report(
            f"{PLANS}/{{widths}}/plan.svg", category="Plans", labels={"widths": "{widths}", "on": "{deployment}"}
        ),
    log:
        "logs/plot_plan/{model}.{deployment}.{widths}.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(5),
    params:
        code=code("plot_plan"),
    message:
        "Drawing the buckets of {wildcards.widths}"
    shell:
        r"""
        crnn plot_plan --plan {input.plan:q} --costs {input.costs:q} --output {output.picture:q} >{log:q} 2>&1
        """


rule plan:
    input:
        [plan_of(name).replace("plan.json", "plan.svg") for name in PLANNED],
    message:
        "Buckets are planned: {input}"
