# Large datasets, in shards: the same stages on a part of the words each, side by side, and joins that check them.
#
# A dataset with shard_words in the config is split after its words are counted (plan_shards). Tensors and texts of a
# shard lie in a folder shards/{first}-{last} beside the joined ones, which are what the rules after them read: they
# equal those of a dataset in one piece. check_batching, time_words, scores and report know nothing of shards.


checkpoint plan_shards:
    input:
        words=f"{WORDS}/data.mdb",
    output:
        plan=PLAN,
    log:
        "logs/plan_shards/{dataset}.log",
    wildcard_constraints:
        dataset=one_of(SHARDED),
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(60),
    params:
        code=code("plan_shards"),
        size=lambda w: DATASETS[w.dataset]["shard_words"],
        words=subpath(input.words, parent=True),
    message:
        "Splitting {wildcards.dataset} into shards"
    shell:
        r"""
        crnn plan_shards --words {params.words:q} --size {params.size} --output {output.plan:q} >{log:q} 2>&1
        """


# The words and the plan count as ancient: a shard is made again where the digest of its own words changes.
use rule make_tensors as make_tensors_of_shard with:
    input:
        words=ancient(f"{WORDS}/data.mdb"),
        plan=ancient(PLAN),
        buckets=bucket_plan,
    output:
        samples=f"{TENSORS}/shards/{{shard}}/samples.parquet",
        contract=f"{TENSORS}/shards/{{shard}}/contract.json",
        record=f"{TENSORS}/shards/{{shard}}/tensors.json",
    log:
        "logs/make_tensors_of_shard/{dataset}.{widths}.{shard}.log",
    wildcard_constraints:
        dataset=one_of(SHARDED),
    params:
        shard=lambda w: [f"--plan={PLAN.format(**w)}", f"--shard={w.shard}"],
        contents=lambda w: canonical({f"words {w.shard} of {w.dataset}": planned_shards(w).get(w.shard)}),
    message:
        "Preparing words {wildcards.shard} of {wildcards.dataset} by the width rule {wildcards.widths}"


rule merge_tensors:
    input:
        plan=PLAN,
        samples=of_shards(f"{TENSORS}/shards/{{shard}}/samples.parquet"),
        contracts=of_shards(f"{TENSORS}/shards/{{shard}}/contract.json"),
        records=of_shards(f"{TENSORS}/shards/{{shard}}/tensors.json"),
    output:
        samples=f"{TENSORS}/samples.parquet",
        contract=f"{TENSORS}/contract.json",
        record=f"{TENSORS}/tensors.json",
    log:
        "logs/merge_tensors/{dataset}.{widths}.log",
    wildcard_constraints:
        dataset=one_of(SHARDED),
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        code=code("merge_tensors"),
        directory=subpath(output.contract, parent=True),
    message:
        "Joining the shards of {wildcards.dataset} ({wildcards.widths})"
    shell:
        r"""
        crnn merge_tensors --plan {input.plan:q} --output {params.directory:q} --record {output.record:q} \
            >{log:q} 2>&1
        """


# For readers of w{W}.npy who know nothing of shards; it copies every tensor.
# snakemake --cores 1 results/datasets/big/whole_tensors/aspect/contract.json
rule write_whole_tensors:
    input:
        contract=f"{TENSORS}/contract.json",
        buckets=bucket_plan,
    output:
        samples="results/datasets/{dataset}/whole_tensors/{widths}/samples.parquet",
        contract="results/datasets/{dataset}/whole_tensors/{widths}/contract.json",
    log:
        "logs/write_whole_tensors/{dataset}.{widths}.log",
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        code=code("write_whole_tensors"),
        widths=width_settings,
        tensors=subpath(input.contract, parent=True),
        directory=subpath(output.contract, parent=True),
    message:
        "Writing the tensors of {wildcards.dataset} in one piece ({wildcards.widths})"
    shell:
        r"""
        crnn write_whole_tensors --tensors {params.tensors:q} --widths {params.widths:q} --output {params.directory:q} \
            >{log:q} 2>&1
        """


use rule predict_reference as predict_reference_of_shard with:
    input:
        tensors=f"{TENSORS}/shards/{{shard}}/contract.json",
        buckets=bucket_plan,
        weights="results/models/{model}/weights.safetensors",
    output:
        predictions=f"{REFERENCES}/shards/{{shard}}/torch.parquet",
        record=f"{REFERENCES}/shards/{{shard}}/torch.json",
    log:
        "logs/predict_reference_of_shard/{dataset}.{model}.{widths}.{shard}.log",
    wildcard_constraints:
        dataset=one_of(SHARDED),
    message:
        "Reading words {wildcards.shard} of {wildcards.dataset} with {wildcards.model} in PyTorch ({wildcards.widths})"


use rule prove_words as prove_words_of_shard with:
    input:
        tensors=f"{TENSORS}/shards/{{shard}}/contract.json",
        buckets=bucket_plan,
        raw="results/models/{model}/raw.onnx",
        fixed="results/models/{model}/fixed.onnx",
    output:
        raw=f"{REFERENCES}/shards/{{shard}}/raw.parquet",
        fixed=f"{REFERENCES}/shards/{{shard}}/fixed.parquet",
        proof=f"{REFERENCES}/shards/{{shard}}/proof.json",
        record=f"{REFERENCES}/shards/{{shard}}/words.json",
    log:
        "logs/prove_words_of_shard/{dataset}.{model}.{widths}.{shard}.log",
    wildcard_constraints:
        dataset=one_of(SHARDED),
    message:
        "Comparing raw and fixed ONNX of {wildcards.model} over words {wildcards.shard} of {wildcards.dataset}"


use rule predict_words as predict_words_of_shard with:
    input:
        tensors=tensors_of("shards/{shard}/contract.json"),
        buckets=bucket_plan,
        build=build_files,
    output:
        predictions=f"{RUN}/shards/{{shard}}/predictions.parquet",
        record=f"{RUN}/shards/{{shard}}/predictions.json",
    log:
        "logs/predict_words_of_shard/{dataset}.{model}.{deployment}.{shard}.log",
    wildcard_constraints:
        dataset=one_of(SHARDED),
    message:
        "Reading words {wildcards.shard} of {wildcards.dataset} with {wildcards.model} on {wildcards.deployment}"


rule merge_predictions:
    input:
        plan=PLAN,
        predictions=of_shards(f"{RUN}/shards/{{shard}}/predictions.parquet"),
        records=of_shards(f"{RUN}/shards/{{shard}}/predictions.json"),
    output:
        predictions=f"{RUN}/predictions.parquet",
        record=f"{RUN}/predictions.json",
    log:
        "logs/merge_predictions/{dataset}.{model}.{deployment}.log",
    wildcard_constraints:
        dataset=one_of(SHARDED),
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        code=code("merge_predictions"),
        directory=subpath(output.predictions, parent=True),
    message:
        "Joining what {wildcards.deployment} read of {wildcards.dataset}"
    shell:
        r"""
        crnn merge_predictions --plan {input.plan:q} --shards {params.directory:q}/shards \
            --output {output.predictions:q} --record {output.record:q} >{log:q} 2>&1
        """


use rule merge_predictions as merge_reference with:
    input:
        plan=PLAN,
        predictions=of_shards(f"{REFERENCES}/shards/{{shard}}/torch.parquet"),
        records=of_shards(f"{REFERENCES}/shards/{{shard}}/torch.json"),
    output:
        predictions=f"{REFERENCES}/torch.parquet",
        record=f"{REFERENCES}/torch.json",
    log:
        "logs/merge_reference/{dataset}.{model}.{widths}.log",
    message:
        "Joining what {wildcards.model} read of {wildcards.dataset} in PyTorch ({wildcards.widths})"


rule merge_proofs:
    input:
        plan=PLAN,
        raw=of_shards(f"{REFERENCES}/shards/{{shard}}/raw.parquet"),
        fixed=of_shards(f"{REFERENCES}/shards/{{shard}}/fixed.parquet"),
        records=of_shards(f"{REFERENCES}/shards/{{shard}}/words.json"),
    output:
        raw=f"{REFERENCES}/raw.parquet",
        fixed=f"{REFERENCES}/fixed.parquet",
        proof=f"{REFERENCES}/proof.json",
        record=f"{REFERENCES}/words.json",
    log:
        "logs/merge_proofs/{dataset}.{model}.{widths}.log",
    wildcard_constraints:
        dataset=one_of(SHARDED),
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        code=code("merge_proofs"),
        directory=subpath(output.proof, parent=True),
    message:
        "Joining the proofs of {wildcards.model} over {wildcards.dataset} ({wildcards.widths})"
    shell:
        r"""
        crnn merge_proofs --plan {input.plan:q} --shards {params.directory:q}/shards \
            --output {params.directory:q} --record {output.record:q} >{log:q} 2>&1
        """
