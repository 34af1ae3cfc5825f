# Builds and tensors → texts and times.
#
# predict_reference and prove_words read every word with the stages before the build, so that the audit can say where
# a word changed; prove_words also fails where surgery changed one. predict_words is the accuracy run of a deployment,
# check_batching reads it again at other batch sizes, time_words times it alone on the machine.

RUN = "results/runs/{dataset}/{model}/{deployment}"
REFERENCES = "results/references/{dataset}/{model}/{widths}"


rule predict_reference:
    input:
        tensors="results/datasets/{dataset}/tensors/{widths}/contract.json",
        buckets=bucket_plan,
        weights="results/models/{model}/weights.safetensors",
    output:
        predictions=f"{REFERENCES}/torch.parquet",
        record=f"{REFERENCES}/torch.json",
    log:
        "logs/predict_reference/{dataset}.{model}.{widths}.log",
    wildcard_constraints:
        dataset=one_of(WHOLE),
    conda:
        "../envs/torch.yaml"
    threads: 2
    resources:
        mem_mb=grows(4000),
        runtime=grows(240),
    params:
        code=code("predict_words", module_of("torch")),
        widths=width_settings,
        charset=charset,
        tensors=subpath(input.tensors, parent=True),
    message:
        "Reading {wildcards.dataset} with {wildcards.model} in PyTorch ({wildcards.widths})"
    shell:
        r"""
        crnn predict_words --tensors {params.tensors:q} --widths {params.widths:q} --charset {params.charset:q} \
            --model {input.weights:q} --runtime torch --threads {threads} \
            --output {output.predictions:q} --record {output.record:q} >{log:q} 2>&1
        """


rule prove_words:
    input:
        tensors="results/datasets/{dataset}/tensors/{widths}/contract.json",
        buckets=bucket_plan,
        raw="results/models/{model}/raw.onnx",
        fixed="results/models/{model}/fixed.onnx",
    output:
        raw=f"{REFERENCES}/raw.parquet",
        fixed=f"{REFERENCES}/fixed.parquet",
        proof=f"{REFERENCES}/proof.json",
        record=f"{REFERENCES}/words.json",
    log:
        "logs/prove_words/{dataset}.{model}.{widths}.log",
    wildcard_constraints:
        dataset=one_of(WHOLE),
    conda:
        "../envs/onnxruntime.yaml"
    threads: 2
    resources:
        mem_mb=grows(4000),
        runtime=grows(240),
    params:
        code=code("prove_words"),
        widths=width_settings,
        charset=charset,
        tolerance=config["budgets"]["max_abs_difference"],
        tensors=subpath(input.tensors, parent=True),
        directory=subpath(output.proof, parent=True),
    message:
        "Comparing raw and fixed ONNX of {wildcards.model} over {wildcards.dataset} ({wildcards.widths})"
    shell:
        r"""
        crnn prove_words --tensors {params.tensors:q} --widths {params.widths:q} --charset {params.charset:q} \
            --raw {input.raw:q} --fixed {input.fixed:q} --tolerance {params.tolerance} --threads {threads} \
            --output {params.directory:q} --record {output.record:q} >{log:q} 2>&1
        """


rule predict_words:
    input:
        tensors=tensors_of("contract.json"),
        buckets=bucket_plan,
        build=build_files,
    output:
        predictions=f"{RUN}/predictions.parquet",
        record=f"{RUN}/predictions.json",
    log:
        "logs/predict_words/{dataset}.{model}.{deployment}.log",
    wildcard_constraints:
        dataset=one_of(WHOLE),
    conda:
        runtime_env
    threads: 2
    resources:
        **ON_DEVICE,
        mem_mb=grows(4000),
        runtime=grows(240),
    params:
        code=runtime_code("predict_words"),
        widths=width_settings,
        charset=charset,
        runtime=lambda w: deployment(w)["runtime"],
        options=runtime_options,
        lanes=lanes,
        batch=batch_sizes,
        tensors=subpath(input.tensors, parent=True),
    message:
        "Reading {wildcards.dataset} with {wildcards.model} on {wildcards.deployment}"
    shell:
        r"""
        crnn predict_words --tensors {params.tensors:q} --widths {params.widths:q} --charset {params.charset:q} \
            --model {input.build[0]:q} --runtime {params.runtime:q} --options {params.options:q} \
            --batch {params.batch:q} {params.lanes:q} --threads {threads} \
            --output {output.predictions:q} --record {output.record:q} >{log:q} 2>&1
        """


rule check_batching:
    input:
        tensors=tensors_of("contract.json"),
        buckets=bucket_plan,
        build=build_files,
        predictions=f"{RUN}/predictions.parquet",
    output:
        batching=f"{RUN}/batching.json",
    log:
        "logs/check_batching/{dataset}.{model}.{deployment}.log",
    conda:
        runtime_env
    threads: 2
    resources:
        **ON_DEVICE,
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        code=runtime_code("check_batching"),
        widths=width_settings,
        charset=charset,
        runtime=lambda w: deployment(w)["runtime"],
        options=runtime_options,
        lanes=lanes,
        sizes=canonical(config["batching"]["sizes"]),
        limit=config["batching"]["words"],
        tensors=subpath(input.tensors, parent=True),
    message:
        "Checking that batching changes no text on {wildcards.deployment}"
    shell:
        r"""
        crnn check_batching --tensors {params.tensors:q} --widths {params.widths:q} --charset {params.charset:q} \
            --model {input.build[0]:q} --runtime {params.runtime:q} --options {params.options:q} \
            --predictions {input.predictions:q} --sizes {params.sizes:q} --words {params.limit} \
            {params.lanes:q} --threads {threads} --output {output.batching:q} >{log:q} 2>&1
        """


# Takes every core: a clock measures nothing where other jobs run beside it. On a cluster, which has no number of
# cores, the profile says how many: set-threads: [time_words=16].
rule time_words:
    input:
        words="results/datasets/{dataset}/words.lmdb/data.mdb",
        tensors=tensors_of("contract.json"),
        buckets=bucket_plan,
        build=build_files,
    output:
        timings=f"{RUN}/timings.parquet",
        texts=f"{RUN}/texts.parquet",
        record=f"{RUN}/timings.json",
    log:
        "logs/time_words/{dataset}.{model}.{deployment}.log",
    conda:
        runtime_env
    threads: all_cores
    resources:
        **ON_DEVICE,
        mem_mb=grows(8000),
        runtime=grows(240),
    params:
        code=runtime_code("time_words"),
        widths=width_settings,
        charset=charset,
        runtime=lambda w: deployment(w)["runtime"],
        options=runtime_options,
        lanes=lanes,
        measure=lambda w: canonical({**config["measure"], "batch": batch_sizes(w)}),
        words=subpath(input.words, parent=True),
        tensors=subpath(input.tensors, parent=True),
    message:
        "Timing {wildcards.deployment} over {wildcards.dataset} (nothing else runs meanwhile)"
    shell:
        r"""
        crnn time_words --words {params.words:q} --tensors {params.tensors:q} --widths {params.widths:q} \
            --charset {params.charset:q} --model {input.build[0]:q} --runtime {params.runtime:q} \
            --options {params.options:q} --measure {params.measure:q} {params.lanes:q} --threads {threads} \
            --output {output.timings:q} --texts {output.texts:q} --record {output.record:q} >{log:q} 2>&1
        """
