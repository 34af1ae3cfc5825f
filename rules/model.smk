# Checkpoint or ONNX file → raw.onnx → fixed.onnx.
#
# import_checkpoint reads every known layout into one, and export_onnx proves the export against PyTorch; import_onnx
# brings an ONNX file to the same form. fix_onnx applies the passes of the config and proves that nothing changed.
# Reading real words repeats that proof (run.smk). contract.json says what else is to know of the model.

MODEL = f"{RESULTS}/models/{{model}}"
CONTRACT = f"{MODEL}/contract.json"
of_model = lambda key: lambda w: config["models"][w.model][key]
IMPORT = {
    "held": held(lambda w: [layout.model_source(w.model), *layout.charset_files(w.model)]),
    "charset": option("charset", lambda w: canonical(config["models"][w.model]["charset"])),
    "input": option("input", of_model("input")),
    "blank": option("blank", of_model("blank")),
}


rule import_checkpoint:
    input:
        checkpoint=lambda w: layout.model_source(w.model),
    output:
        weights=f"{MODEL}/weights.safetensors",
        contract=CONTRACT,
        record=f"{MODEL}/weights.json",
    log:
        f"{LOGS}/import_checkpoint/{{model}}.log",
    benchmark:
        f"{LOGS}/import_checkpoint/{{model}}.tsv"
    wildcard_constraints:
        model=one_of(layout.models_from("checkpoint")),
    conda:
        "../envs/torch.yaml"
    resources:
        **needs(mb=2000, minutes=15),
    params:
        **MAKERS.params("import_checkpoint", "torch"),
        **IMPORT,
        network=option("network", lambda w: picked(config["models"][w.model], "channels", "hidden", "activation")),
        layout=option("layout", of_model("layout")),
        gates=option("gate-order", of_model("gate_order")),
    message:
        "Reading the checkpoint of {wildcards.model}"
    shell:
        r"""
        crnn import_checkpoint --checkpoint {input.checkpoint:q} {params.network:q} {params.charset:q} {params.input:q} \
            {params.layout:q} {params.gates:q} {params.blank:q} --contract {output.contract:q} \
            --output {output.weights:q} --record {output.record:q} >{log:q} 2>&1
        """


rule export_onnx:
    input:
        weights=f"{MODEL}/weights.safetensors",
        contract=CONTRACT,
    output:
        raw=f"{MODEL}/raw.onnx",
        record=f"{MODEL}/raw.json",
    log:
        f"{LOGS}/export_onnx/{{model}}.log",
    benchmark:
        f"{LOGS}/export_onnx/{{model}}.tsv"
    wildcard_constraints:
        model=one_of(layout.models_from("checkpoint")),
    conda:
        "../envs/torch.yaml"
    resources:
        **needs(mb=4000, minutes=15),
    params:
        **MAKERS.params("export_onnx", "torch"),
        opset=option("opset", of_model("opset")),
        tolerance=option("tolerance", of_model("tolerance")),
    message:
        "Exporting {wildcards.model} to ONNX"
    shell:
        r"""
        crnn export_onnx --weights {input.weights:q} --contract {input.contract:q} {params.opset:q} \
            {params.tolerance:q} --output {output.raw:q} --record {output.record:q} >{log:q} 2>&1
        """


rule import_onnx:
    input:
        source=lambda w: layout.model_source(w.model),
    output:
        raw=f"{MODEL}/raw.onnx",
        contract=CONTRACT,
        record=f"{MODEL}/raw.json",
    log:
        f"{LOGS}/import_onnx/{{model}}.log",
    benchmark:
        f"{LOGS}/import_onnx/{{model}}.tsv"
    wildcard_constraints:
        model=one_of(layout.models_from("onnx")),
    conda:
        "../envs/onnx.yaml"
    resources:
        **needs(mb=4000, minutes=15),
    params:
        **MAKERS.params("import_onnx", "onnx"),
        **IMPORT,
        output=option("model-output", of_model("output")),
        opset=option("opset", of_model("opset")),
        tolerance=option("tolerance", of_model("tolerance")),
    message:
        "Bringing the ONNX file of {wildcards.model} to the form of every model"
    shell:
        r"""
        crnn import_onnx --source {input.source:q} {params.charset:q} {params.input:q} {params.output:q} \
            {params.blank:q} {params.opset:q} {params.tolerance:q} --contract {output.contract:q} \
            --output {output.raw:q} --record {output.record:q} >{log:q} 2>&1
        """


rule fix_onnx:
    input:
        raw=f"{MODEL}/raw.onnx",
        contract=CONTRACT,
    output:
        fixed=f"{MODEL}/fixed.onnx",
        record=f"{MODEL}/fixed.json",
    log:
        f"{LOGS}/fix_onnx/{{model}}.log",
    benchmark:
        f"{LOGS}/fix_onnx/{{model}}.tsv"
    conda:
        "../envs/onnx.yaml"
    resources:
        **needs(mb=4000, minutes=15),
    params:
        **MAKERS.params("fix_onnx", "onnx"),
        surgery=option("surgery", of_model("surgery")),
        shape_operators=option("shape-operators", of_model("shape_operators")),
        tolerance=option("tolerance", of_model("tolerance")),
    message:
        "Operating on the graph of {wildcards.model}"
    shell:
        r"""
        crnn fix_onnx --raw {input.raw:q} --contract {input.contract:q} {params.surgery:q} \
            {params.shape_operators:q} {params.tolerance:q} --output {output.fixed:q} --record {output.record:q} \
            >{log:q} 2>&1
        """


# A deployment with a list of passes of its own gets a repaired file of its own, proved in the same way.
use rule fix_onnx as fix_onnx_for_deployment with:
    output:
        fixed=f"{MODEL}/fixed.for-{{deployment}}.onnx",
        record=f"{MODEL}/fixed.for-{{deployment}}.json",
    log:
        f"{LOGS}/fix_onnx/{{model}}.{{deployment}}.log",
    benchmark:
        f"{LOGS}/fix_onnx/{{model}}.{{deployment}}.tsv"
    wildcard_constraints:
        deployment=one_of(name for name, entry in layout.deployments.items() if entry.surgery is not None),
    params:
        surgery=option("surgery", lambda w: layout.deployments[w.deployment].surgery),
