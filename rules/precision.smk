# fixed.onnx → the same model in other variants, each once for every deployment that asks for it.
#
# convert_precision makes what needs no calibration (fixed.fp16.onnx, fixed.winograd.onnx). quantise_model makes what
# does (fixed.int8-aspect.onnx), from the ranges and layers that calibrate_model found over the calibration words:
# rendered, or the user's LMDB. check_leakage shows that none of those is a word of a dataset. {repaired} is `fixed`,
# or `fixed.for-{deployment}` of a deployment with passes of its own.


calibration_tensors = lambda widths: layout.tensors(CALIBRATION, widths)[0]


rule check_leakage:
    input:
        words=layout.words(CALIBRATION),
        datasets=[layout.words(dataset) for dataset in config["datasets"]],
    output:
        proof=f"{RESULTS}/datasets/{CALIBRATION}/leakage.json",
    log:
        f"{LOGS}/check_leakage.log",
    benchmark:
        f"{LOGS}/check_leakage.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        **needs(mb=1000, minutes=60),
    params:
        **MAKERS.params("check_leakage", "data"),
        words=subpath(input.words, parent=True),
        datasets=lambda w, input: [
            f"--dataset={name}={Path(data).parent}" for name, data in zip(config["datasets"], input.datasets)
        ],
    message:
        "Comparing the calibration words with those of every dataset"
    shell:
        r"""
        crnn check_leakage --words {params.words:q} {params.datasets:q} --output {output.proof:q} >{log:q} 2>&1
        """


# The proof is ancient: another dataset has it made again, and leaves what was calibrated.
rule calibrate_model:
    input:
        model=f"{MODEL}/{{repaired}}.onnx",
        contract=CONTRACT,
        tensors=lambda w: calibration_tensors(w.widths),
        proof=ancient(rules.check_leakage.output.proof),
    output:
        calibration=f"{MODEL}/{{repaired}}.calibration-{{variant}}-{{widths}}.json",
        record=f"{MODEL}/{{repaired}}.calibration-{{variant}}-{{widths}}.record.json",
    log:
        f"{LOGS}/calibrate_model/{{model}}.{{repaired}}.{{variant}}-{{widths}}.log",
    benchmark:
        f"{LOGS}/calibrate_model/{{model}}.{{repaired}}.{{variant}}-{{widths}}.tsv"
    wildcard_constraints:
        variant=one_of(QUANTISED),
    conda:
        "../envs/onnx.yaml"
    threads: 2
    resources:
        **needs(mb=4000, minutes=60),
    params:
        **MAKERS.params("calibrate_model", "onnx"),
        widths=WIDTHS,
        labels=LABELS,
        budget=option("budget", picked(config["calibration"], "accuracy_drop", "flipped")),
        tensors=subpath(input.tensors, parent=True),
    message:
        "Calibrating {wildcards.model} for {wildcards.variant} ({wildcards.widths})"
    shell:
        r"""
        crnn calibrate_model --model {input.model:q} --variant {wildcards.variant:q} --tensors {params.tensors:q} \
            {params.widths:q} --contract {input.contract:q} {params.labels:q} {params.budget:q} --threads {threads} \
            --output {output.calibration:q} --record {output.record:q} >{log:q} 2>&1
        """


rule quantise_model:
    input:
        model=f"{MODEL}/{{repaired}}.onnx",
        contract=CONTRACT,
        tensors=lambda w: calibration_tensors(w.widths),
        calibration=f"{MODEL}/{{repaired}}.calibration-{{variant}}-{{widths}}.json",
    output:
        model=f"{MODEL}/{{repaired}}.{{variant}}-{{widths}}.onnx",
        record=f"{MODEL}/{{repaired}}.{{variant}}-{{widths}}.json",
    log:
        f"{LOGS}/quantise_model/{{model}}.{{repaired}}.{{variant}}-{{widths}}.log",
    benchmark:
        f"{LOGS}/quantise_model/{{model}}.{{repaired}}.{{variant}}-{{widths}}.tsv"
    wildcard_constraints:
        variant=one_of(QUANTISED),
    conda:
        "../envs/onnx.yaml"
    threads: 2
    resources:
        **needs(mb=4000, minutes=30),
    params:
        **MAKERS.params("convert_precision", "onnx"),
        widths=WIDTHS,
        calibration=lambda w, input: [f"--calibration={input.calibration}"],
        tensors=subpath(input.tensors, parent=True),
    message:
        "Writing {wildcards.model} as {wildcards.variant} ({wildcards.widths})"
    shell:
        r"""
        crnn convert_precision --model {input.model:q} --variant {wildcards.variant:q} {params.calibration:q} \
            --tensors {params.tensors:q} {params.widths:q} --contract {input.contract:q} --threads {threads} \
            --output {output.model:q} --record {output.record:q} >{log:q} 2>&1
        """


use rule quantise_model as convert_precision with:
    input:
        model=f"{MODEL}/{{repaired}}.onnx",
        contract=CONTRACT,
        tensors=lambda w: calibration_tensors(layout.widths_to_check(w.model, w.variant)),
        proof=ancient(rules.check_leakage.output.proof),
    output:
        model=f"{MODEL}/{{repaired}}.{{variant}}.onnx",
        record=f"{MODEL}/{{repaired}}.{{variant}}.json",
    log:
        f"{LOGS}/convert_precision/{{model}}.{{repaired}}.{{variant}}.log",
    benchmark:
        f"{LOGS}/convert_precision/{{model}}.{{repaired}}.{{variant}}.tsv"
    wildcard_constraints:
        variant=one_of(VARIANTS.keys() - set(QUANTISED)),
    params:
        widths=option("widths", lambda w: layout.width_rule(layout.widths_to_check(w.model, w.variant))),
        calibration=[],
    message:
        "Writing {wildcards.model} as {wildcards.variant}"
