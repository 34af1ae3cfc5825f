# Builds and tensors → texts and times.
#
# predict reads the words of a part with whatever is named: a stage of the model (torch, a variant) or a deployment's
# build. predict_surgery reads raw and fixed side by side. So the audit can say where a word changed, and no words are
# read twice with the same. check_batching reads some again at other batch sizes, time_words times a deployment alone
# on the machine.

RUN = f"{RESULTS}/runs/{{dataset}}/{{model}}/{{deployment}}"
PREDICTIONS = f"{RESULTS}/predictions/{{dataset}}/{{model}}/{{widths}}"


rule predict:
    input:
        tensors=f"{TENSORS}/contract.json",
        contract=CONTRACT,
        plan=lambda w: layout.plan(w.widths),
        model=lambda w: reader_of(w).files,
    output:
        predictions=f"{PREDICTIONS}/{{reader}}/{{part}}.parquet",
        record=f"{PREDICTIONS}/{{reader}}/{{part}}.json",
    log:
        f"{LOGS}/predict/{{dataset}}.{{model}}.{{widths}}.{{reader}}.{{part}}.log",
    benchmark:
        f"{LOGS}/predict/{{dataset}}.{{model}}.{{widths}}.{{reader}}.{{part}}.tsv"
    wildcard_constraints:
        reader=one_of(layout.readers),
    conda:
        runtime_env
    threads: 2
    resources:
        **ON_DEVICE,
        **needs(mb=4000, minutes=240),
    params:
        **made_by_runtime("predict"),
        **SESSION,
        widths=WIDTHS,
        batch=option("batch", lambda w: reader_of(w).batch),
        tensors=subpath(input.tensors, parent=True),
    message:
        "Reading part {wildcards.part} of {wildcards.dataset} with {wildcards.model}: {wildcards.reader} ({wildcards.widths})"
    shell:
        r"""
        crnn predict --tensors {params.tensors:q} {params.widths:q} --contract {input.contract:q} {params.runtime:q} \
            {params.options:q} {params.batch:q} {params.calls:q} --threads {threads} --model {input.model[0]:q} \
            --output {output.predictions:q} --record {output.record:q} >{log:q} 2>&1
        """


rule predict_surgery:
    input:
        tensors=f"{TENSORS}/contract.json",
        contract=CONTRACT,
        plan=lambda w: layout.plan(w.widths),
        raw=f"{MODEL}/raw.onnx",
        fixed=f"{MODEL}/fixed.onnx",
    output:
        raw=f"{PREDICTIONS}/raw/{{part}}.parquet",
        fixed=f"{PREDICTIONS}/fixed/{{part}}.parquet",
        record=f"{PREDICTIONS}/fixed/{{part}}.json",
    log:
        f"{LOGS}/predict_surgery/{{dataset}}.{{model}}.{{widths}}.{{part}}.log",
    benchmark:
        f"{LOGS}/predict_surgery/{{dataset}}.{{model}}.{{widths}}.{{part}}.tsv"
    conda:
        "../envs/onnxruntime.yaml"
    threads: 2
    resources:
        **needs(mb=4000, minutes=240),
    params:
        **MAKERS.params("predict", "onnxruntime", layout.runtimes["onnxruntime"]),
        widths=WIDTHS,
        tensors=subpath(input.tensors, parent=True),
    message:
        "Reading part {wildcards.part} of {wildcards.dataset} with raw and fixed ONNX of {wildcards.model} ({wildcards.widths})"
    shell:
        r"""
        crnn predict --tensors {params.tensors:q} {params.widths:q} --contract {input.contract:q} --runtime onnxruntime \
            --threads {threads} --model {input.raw:q} --output {output.raw:q} --model {input.fixed:q} \
            --output {output.fixed:q} --record {output.record:q} >{log:q} 2>&1
        """


rule check_batching:
    input:
        tensors=lambda w: layout.tensors_of(run_of(w)),
        contract=CONTRACT,
        model=lambda w: reader_of(w).files,
        predictions=lambda w: layout.predictions_of(run_of(w)),
    output:
        batching=f"{RUN}/batching.json",
    log:
        f"{LOGS}/check_batching/{{dataset}}.{{model}}.{{deployment}}.log",
    benchmark:
        f"{LOGS}/check_batching/{{dataset}}.{{model}}.{{deployment}}.tsv"
    wildcard_constraints:
        deployment=one_of(layout.alone),
    conda:
        runtime_env
    threads: 2
    resources:
        **ON_DEVICE,
        **needs(mb=4000, minutes=60),
    params:
        **made_by_runtime("check_batching"),
        **SESSION,
        widths=WIDTHS,
        sizes=option("sizes", config["batching"]["sizes"]),
        words=option("words", config["batching"]["words"]),
        tensors=parents_of("tensors"),
    message:
        "Checking that batching changes no text on {wildcards.deployment}"
    shell:
        r"""
        crnn check_batching --tensors {params.tensors:q} --predictions {input.predictions:q} {params.widths:q} \
            --contract {input.contract:q} --model {input.model[0]:q} {params.runtime:q} {params.options:q} {params.calls:q} \
            {params.sizes:q} {params.words:q} --threads {threads} --output {output.batching:q} >{log:q} 2>&1
        """


# Takes every core: a clock measures nothing where other jobs run beside it. On a cluster, which has no number of
# cores, the profile says how many: set-threads: [time_words=16].
rule time_words:
    input:
        words=WORDS,
        tensors=lambda w: layout.tensors_of(run_of(w)),
        contract=CONTRACT,
        model=lambda w: reader_of(w).files,
    output:
        timings=f"{RUN}/timings.parquet",
        texts=f"{RUN}/texts.parquet",
        record=f"{RUN}/timings.json",
    log:
        f"{LOGS}/time_words/{{dataset}}.{{model}}.{{deployment}}.log",
    benchmark:
        f"{LOGS}/time_words/{{dataset}}.{{model}}.{{deployment}}.tsv"
    wildcard_constraints:
        deployment=one_of(layout.alone),
    conda:
        runtime_env
    threads: all_cores
    resources:
        **ON_DEVICE,
        **needs(mb=8000, minutes=240),
    params:
        **made_by_runtime("time_words"),
        **SESSION,
        widths=WIDTHS,
        measure=option("measure", lambda w: {**layout.clock, "batch": reader_of(w).batch}),
        words=subpath(input.words, parent=True),
        tensors=parents_of("tensors"),
    message:
        "Timing {wildcards.deployment} over {wildcards.dataset} (nothing else runs meanwhile)"
    shell:
        r"""
        crnn time_words --words {params.words:q} --tensors {params.tensors:q} {params.widths:q} --contract {input.contract:q} \
            --model {input.model[0]:q} {params.runtime:q} {params.options:q} {params.calls:q} {params.measure:q} \
            --threads {threads} --output {output.timings:q} --texts {output.texts:q} --record {output.record:q} \
            >{log:q} 2>&1
        """
