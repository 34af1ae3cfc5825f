# Checkpoint → raw.onnx → fixed.onnx.
#
# import_checkpoint reads every known layout into one; export_onnx proves the export against PyTorch; fix_onnx applies
# the passes of the config and proves that nothing changed. Reading real words repeats that proof (run.smk).

MODEL = f"{RESULTS}/models/{{model}}"
TOLERANCE = option("tolerance", config["budgets"]["max_abs_difference"])


rule import_checkpoint:
    input:
        checkpoint=lambda w: layout.checkpoint(w.model),
    output:
        weights=f"{MODEL}/weights.safetensors",
        record=f"{MODEL}/weights.json",
    log:
        f"{LOGS}/import_checkpoint/{{model}}.log",
    benchmark:
        f"{LOGS}/import_checkpoint/{{model}}.tsv"
    conda:
        "../envs/torch.yaml"
    resources:
        **needs(mb=2000, minutes=15),
    params:
        **MAKERS.params("import_checkpoint", "torch"),
        held=held(lambda w: layout.checkpoint(w.model)),
        network=option("network", lambda w: network_size(config["models"][w.model])),
        layout=option("layout", of_model("layout")),
        gates=option("gate-order", of_model("gate_order")),
        blank=option("blank", of_model("blank")),
        colour=option("colour", lambda w: colour(config["models"][w.model])),
    message:
        "Reading the checkpoint of {wildcards.model}"
    shell:
        r"""
        crnn import_checkpoint --checkpoint {input.checkpoint:q} {params.network:q} {params.layout:q} {params.gates:q} \
            {params.blank:q} {params.colour:q} --output {output.weights:q} --record {output.record:q} >{log:q} 2>&1
        """


rule export_onnx:
    input:
        weights=f"{MODEL}/weights.safetensors",
    output:
        raw=f"{MODEL}/raw.onnx",
        record=f"{MODEL}/raw.json",
    log:
        f"{LOGS}/export_onnx/{{model}}.log",
    benchmark:
        f"{LOGS}/export_onnx/{{model}}.tsv"
    conda:
        "../envs/torch.yaml"
    resources:
        **needs(mb=4000, minutes=15),
    params:
        **MAKERS.params("export_onnx", "torch"),
        opset=option("opset", of_model("opset")),
    message:
        "Exporting {wildcards.model} to ONNX"
    shell:
        r"""
        crnn export_onnx --weights {input.weights:q} {params.opset:q} --output {output.raw:q} \
            --record {output.record:q} >{log:q} 2>&1
        """


rule fix_onnx:
    input:
        raw=f"{MODEL}/raw.onnx",
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
        tolerance=TOLERANCE,
    message:
        "Operating on the graph of {wildcards.model}"
    shell:
        r"""
        crnn fix_onnx --raw {input.raw:q} {params.surgery:q} {params.tolerance:q} --output {output.fixed:q} \
            --record {output.record:q} >{log:q} 2>&1
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
        deployment=one_of(layout.with_surgery()),
    params:
        surgery=option("surgery", lambda w: layout.deployments[w.deployment].surgery),
