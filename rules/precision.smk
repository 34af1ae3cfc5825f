# fixed.onnx → the same model in other forms, each once for every deployment that asks for it.
#
# convert_precision makes what needs no calibration (fixed.fp16.onnx, fixed.winograd.onnx). quantise_model makes what does
# (fixed.int8-aspect.onnx), from the ranges and layers that calibrate_model found over the calibration words: rendered,
# or the user's LMDB. prove_disjoint shows that none of those is a word of a dataset. {repaired} is `fixed`, or
# `fixed.for-{deployment}` of a deployment with passes of its own. predict_onnx gives the audit its step.

CALIBRATION = "results/calibration"

if "lmdb" in config["calibration"]:

    use rule import_lmdb as import_calibration with:
        input:
            data=f"{config['calibration']['lmdb']}/data.mdb",
        output:
            data=f"{CALIBRATION}/words.lmdb/data.mdb",
            record=f"{CALIBRATION}/words.json",
        log:
            "logs/import_calibration.log",
        params:
            contents=contents(f"{config['calibration']['lmdb']}/data.mdb"),
        message:
            "Copying the calibration words"

else:

    use rule render_sample as render_calibration with:
        output:
            data=f"{CALIBRATION}/words.lmdb/data.mdb",
            record=f"{CALIBRATION}/words.json",
        log:
            "logs/render_calibration.log",
        params:
            words=config["calibration"]["words"],
            seed=config["calibration"]["seed"],
        message:
            "Rendering the calibration words"


rule prove_disjoint:
    input:
        words=f"{CALIBRATION}/words.lmdb/data.mdb",
        datasets=expand("results/datasets/{dataset}/words.lmdb/data.mdb", dataset=DATASETS),
    output:
        proof=f"{CALIBRATION}/disjoint.json",
    log:
        "logs/prove_disjoint.log",
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(60),
    params:
        code=code("prove_disjoint"),
        words=subpath(input.words, parent=True),
        datasets=lambda w, input: [
            f"--dataset={name}={Path(data).parent}" for name, data in zip(DATASETS, input.datasets)
        ],
    message:
        "Comparing the calibration words with those of every dataset"
    shell:
        r"""
        crnn prove_disjoint --words {params.words:q} {params.datasets:q} --output {output.proof:q} >{log:q} 2>&1
        """


# The proof is ancient: another dataset has it made again, and leaves what was calibrated.
use rule make_tensors as make_calibration_tensors with:
    input:
        words=f"{CALIBRATION}/words.lmdb/data.mdb",
        proof=ancient(f"{CALIBRATION}/disjoint.json"),
        buckets=bucket_plan,
    output:
        samples=f"{CALIBRATION}/tensors/{{widths}}/samples.parquet",
        contract=f"{CALIBRATION}/tensors/{{widths}}/contract.json",
        record=f"{CALIBRATION}/tensors/{{widths}}/tensors.json",
    log:
        "logs/make_calibration_tensors/{widths}.log",
    message:
        "Preparing the calibration words by the width rule {wildcards.widths}"


rule calibrate_model:
    input:
        model=f"{MODEL}/{{repaired}}.onnx",
        tensors=f"{CALIBRATION}/tensors/{{widths}}/contract.json",
        buckets=bucket_plan,
    output:
        calibration=f"{MODEL}/{{repaired}}.calibration-{{form}}-{{widths}}.json",
        record=f"{MODEL}/{{repaired}}.calibration-{{form}}-{{widths}}.record.json",
    log:
        "logs/calibrate_model/{model}.{repaired}.{form}-{widths}.log",
    wildcard_constraints:
        form=one_of(QUANTISED),
    conda:
        "../envs/onnx.yaml"
    threads: 2
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        code=code("calibrate_model"),
        widths=width_settings,
        charset=charset,
        labels=LABELS,
        budget=canonical({name: config["calibration"][name] for name in ("accuracy_drop", "flipped")}),
        tensors=subpath(input.tensors, parent=True),
    message:
        "Calibrating {wildcards.model} for {wildcards.form} ({wildcards.widths})"
    shell:
        r"""
        crnn calibrate_model --model {input.model:q} --form {wildcards.form:q} --tensors {params.tensors:q} \
            --widths {params.widths:q} --charset {params.charset:q} --labels {params.labels:q} \
            --budget {params.budget:q} --threads {threads} --output {output.calibration:q} --record {output.record:q} \
            >{log:q} 2>&1
        """


rule quantise_model:
    input:
        model=f"{MODEL}/{{repaired}}.onnx",
        tensors=f"{CALIBRATION}/tensors/{{widths}}/contract.json",
        buckets=bucket_plan,
        calibration=f"{MODEL}/{{repaired}}.calibration-{{form}}-{{widths}}.json",
    output:
        model=f"{MODEL}/{{repaired}}.{{form}}-{{widths}}.onnx",
        record=f"{MODEL}/{{repaired}}.{{form}}-{{widths}}.json",
    log:
        "logs/quantise_model/{model}.{repaired}.{form}-{widths}.log",
    wildcard_constraints:
        form=one_of(QUANTISED),
    conda:
        "../envs/onnx.yaml"
    threads: 2
    resources:
        mem_mb=grows(4000),
        runtime=grows(30),
    params:
        code=code("convert_precision"),
        widths=width_settings,
        charset=charset,
        calibration=lambda w, input: [f"--calibration={input.calibration}"],
        tensors=subpath(input.tensors, parent=True),
    message:
        "Writing {wildcards.model} as {wildcards.form} ({wildcards.widths})"
    shell:
        r"""
        crnn convert_precision --model {input.model:q} --form {wildcards.form:q} {params.calibration:q} \
            --tensors {params.tensors:q} --widths {params.widths:q} --charset {params.charset:q} --threads {threads} \
            --output {output.model:q} --record {output.record:q} >{log:q} 2>&1
        """


use rule quantise_model as convert_precision with:
    input:
        model=f"{MODEL}/{{repaired}}.onnx",
        tensors=lambda w: f"{CALIBRATION}/tensors/{widths_to_check(w)}/contract.json",
    output:
        model=f"{MODEL}/{{repaired}}.{{form}}.onnx",
        record=f"{MODEL}/{{repaired}}.{{form}}.json",
    log:
        "logs/convert_precision/{model}.{repaired}.{form}.log",
    wildcard_constraints:
        form=r"fp16(-lstm32)?|winograd",
    params:
        widths=lambda w: canonical(WIDTHS[widths_to_check(w)]),
        calibration=[],
    message:
        "Writing {wildcards.model} as {wildcards.form}"


rule predict_onnx:
    input:
        tensors="results/datasets/{dataset}/tensors/{widths}/contract.json",
        buckets=bucket_plan,
        model=lambda w: f"results/models/{w.model}/fixed{w.own}.{w.form}{of_widths(w.form, w.widths)}.onnx",
    output:
        predictions=f"{REFERENCES}/{{form}}{{own}}.parquet",
        record=f"{REFERENCES}/{{form}}{{own}}.json",
    log:
        "logs/predict_onnx/{dataset}.{model}.{widths}.{form}{own}.log",
    wildcard_constraints:
        form=r"fp16|fp16-lstm32|winograd|int8|uint8",
        own=f"({one_of([f'.for-{name}' for name in deployments_with('surgery')])})?",
    conda:
        "../envs/onnxruntime.yaml"
    threads: 2
    resources:
        mem_mb=grows(4000),
        runtime=grows(240),
    params:
        code=code("predict_onnx"),
        widths=width_settings,
        charset=charset,
        tensors=subpath(input.tensors, parent=True),
    message:
        "Reading {wildcards.dataset} with {wildcards.model} as {wildcards.form} ({wildcards.widths})"
    shell:
        r"""
        crnn predict_onnx --tensors {params.tensors:q} --widths {params.widths:q} --charset {params.charset:q} \
            --model {input.model:q} --threads {threads} --output {output.predictions:q} --record {output.record:q} \
            >{log:q} 2>&1
        """
