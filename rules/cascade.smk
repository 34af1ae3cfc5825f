# Cascades: deployments that are made of others (docs/cascades.md).
#
# plan_cascade finds the confidence under which a word is handed on, on the tuning words; combine_readings says what is
# read then, from what each member read; time_cascade runs all members in one stream, alone on the machine;
# make_cascade_bundle puts the bundles of its members into one (rules/bundle.smk).

# What a cascade's bundle is written from besides modules: its program and its description.
BUNDLED_CASCADE = tuple(f"crnn/inference/bundled/cascade.{suffix}" for suffix in ("py", "md"))


rule plan_cascade:
    input:
        samples=lambda w: cascades.samples(TUNING, w.deployment),
        readings=lambda w: cascades.readings(TUNING, w.deployment),
    output:
        cascade=f"{RESULTS}/builds/{{model}}/{{deployment}}/cascade.json",
        record=f"{RESULTS}/builds/{{model}}/{{deployment}}/build.json",
    log:
        f"{LOGS}/plan_cascade/{{model}}.{{deployment}}.log",
    benchmark:
        f"{LOGS}/plan_cascade/{{model}}.{{deployment}}.tsv"
    wildcard_constraints:
        deployment=one_of(cascades.names),
    conda:
        "../envs/score.yaml"
    resources:
        **needs(mb=2000, minutes=30),
    params:
        **MAKERS.params("plan_cascade", "score"),
        labels=LABELS,
        goal=option("goal", lambda w: cascades.goal(w.deployment)),
        keep=option("keep", lambda w: layout.deployments[w.deployment].keep),
    message:
        "Planning the threshold of {wildcards.deployment}"
    shell:
        r"""
        crnn plan_cascade --samples {input.samples:q} --readings {input.readings:q} {params.labels:q} {params.goal:q} \
            {params.keep:q} --output {output.cascade:q} --record {output.record:q} >{log:q} 2>&1
        """


rule combine_readings:
    input:
        cascade=f"{RESULTS}/builds/{{model}}/{{reader}}/cascade.json",
        readings=lambda w: cascades.readings(w.dataset, w.reader, w.part),
    output:
        predictions=f"{PREDICTIONS}/{{reader}}/{{part}}.parquet",
        record=f"{PREDICTIONS}/{{reader}}/{{part}}.json",
    log:
        f"{LOGS}/combine_readings/{{dataset}}.{{model}}.{{widths}}.{{reader}}.{{part}}.log",
    benchmark:
        f"{LOGS}/combine_readings/{{dataset}}.{{model}}.{{widths}}.{{reader}}.{{part}}.tsv"
    wildcard_constraints:
        reader=one_of(cascades.names),
    conda:
        "../envs/score.yaml"
    resources:
        **needs(mb=2000, minutes=30),
    params:
        **MAKERS.params("combine_readings", "score"),
    message:
        "Reading part {wildcards.part} of {wildcards.dataset} with {wildcards.reader}, from what its members read"
    shell:
        r"""
        crnn combine_readings --readings {input.readings:q} --cascade {input.cascade:q} --output {output.predictions:q} \
            --record {output.record:q} >{log:q} 2>&1
        """


rule time_cascade:
    input:
        words=WORDS,
        cascade=f"{RESULTS}/builds/{{model}}/{{deployment}}/cascade.json",
        readings=lambda w: layout.predictions_of(run_of(w)),
        members=lambda w: cascades.files(w.deployment),
        gates=lambda w: cascades.gates(w.dataset, w.deployment),
    output:
        timings=f"{RUN}/timings.parquet",
        texts=f"{RUN}/texts.parquet",
        batching=f"{RUN}/batching.json",
        cascade=f"{RUN}/cascade.json",
        record=f"{RUN}/timings.json",
    log:
        f"{LOGS}/time_cascade/{{dataset}}.{{model}}.{{deployment}}.log",
    benchmark:
        f"{LOGS}/time_cascade/{{dataset}}.{{model}}.{{deployment}}.tsv"
    wildcard_constraints:
        deployment=one_of(cascades.names),
    conda:
        "../envs/cascade.yaml"
    threads: all_cores
    resources:
        **needs(mb=8000, minutes=240),
    params:
        **MAKERS.params("time_cascade", "cascade", files=cascades.runtimes),
        members=lambda w: cascades.options(w.deployment),
        measure=option("measure", layout.clock),
        words=subpath(input.words, parent=True),
    message:
        "Timing the cascade {wildcards.deployment} over {wildcards.dataset} (nothing else runs meanwhile)"
    shell:
        r"""
        crnn time_cascade {params.members:q} --plan {input.cascade:q} --readings {input.readings:q} \
            --batching {input.gates:q} --words {params.words:q} {params.measure:q} --threads {threads} \
            --output {output.timings:q} --texts {output.texts:q} --gate {output.batching:q} --row {output.cascade:q} \
            --record {output.record:q} >{log:q} 2>&1
        """


rule make_cascade_bundle:
    input:
        members=lambda w: cascades.bundles(w.deployment),
        plan=f"{RESULTS}/builds/{{model}}/{{deployment}}/cascade.json",
        runs=lambda w: layout.scored(w.model, w.deployment),
    output:
        directory(f"{RESULTS}/bundles/{{model}}/{{deployment}}"),
    log:
        f"{LOGS}/make_cascade_bundle/{{model}}.{{deployment}}.log",
    benchmark:
        f"{LOGS}/make_cascade_bundle/{{model}}.{{deployment}}.tsv"
    wildcard_constraints:
        deployment=one_of(cascades.names),
    conda:
        "../envs/cascade.yaml"
    resources:
        **needs(mb=2000, minutes=30),
    params:
        **MAKERS.params("make_cascade_bundle", "cascade", files=BUNDLED_CASCADE),
        identity=option("identity", lambda w: layout.bundle_identity(w.model, w.deployment)),
    message:
        "Making the bundle of the cascade {wildcards.deployment}"
    shell:
        r"""
        crnn make_cascade_bundle --members {input.members:q} --plan {input.plan:q} {params.identity:q} \
            --runs {input.runs:q} --output {output:q} >{log:q} 2>&1
        """
