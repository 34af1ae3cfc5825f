# Checkpoint → raw.onnx → fixed.onnx.
#
# import_checkpoint reads every known layout into one; export_onnx proves the export against PyTorch; fix_onnx applies
# the passes of the config and proves that nothing changed. prove_words (run.smk) repeats that proof on real words.

MODEL = "results/models/{model}"


rule import_checkpoint:
    input:
        checkpoint=checkpoint,
    output:
        weights=f"{MODEL}/weights.safetensors",
        record=f"{MODEL}/weights.json",
    log:
        "logs/import_checkpoint/{model}.log",
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        code=code("import_checkpoint"),
        contents=contents(lambda w: shipped(MODELS[w.model]["checkpoint"])),
        network=network,
        layout=lambda w: MODELS[w.model]["layout"],
        gates=lambda w: MODELS[w.model]["gate_order"],
    message:
        "Reading the checkpoint of {wildcards.model}"
    shell:
        r"""
        crnn import_checkpoint --checkpoint {input.checkpoint:q} --network {params.network:q} \
            --layout {params.layout:q} --gate-order {params.gates:q} --output {output.weights:q} --record {output.record:q} >{log:q} 2>&1
        """


rule export_onnx:
    input:
        weights=f"{MODEL}/weights.safetensors",
    output:
        raw=f"{MODEL}/raw.onnx",
        record=f"{MODEL}/raw.json",
    log:
        "logs/export_onnx/{model}.log",
    conda:
        "../envs/torch.yaml"
    threads: 2
    resources:
        mem_mb=grows(4000),
        runtime=grows(15),
    params:
        code=code("export_onnx"),
        opset=lambda w: MODELS[w.model]["opset"],
    message:
        "Exporting {wildcards.model} to ONNX"
    shell:
        r"""
        crnn export_onnx --weights {input.weights:q} --opset {params.opset} --threads {threads} \
            --output {output.raw:q} --record {output.record:q} >{log:q} 2>&1
        """


rule fix_onnx:
    input:
        raw=f"{MODEL}/raw.onnx",
    output:
        fixed=f"{MODEL}/fixed.onnx",
        record=f"{MODEL}/fixed.json",
    log:
        "logs/fix_onnx/{model}.log",
    conda:
        "../envs/onnx.yaml"
    threads: 2
    resources:
        mem_mb=grows(4000),
        runtime=grows(15),
    params:
        code=code("fix_onnx"),
        surgery=lambda w: canonical(MODELS[w.model]["surgery"]),
        tolerance=config["budgets"]["max_abs_difference"],
    message:
        "Operating on the graph of {wildcards.model}"
    shell:
        r"""
        crnn fix_onnx --raw {input.raw:q} --surgery {params.surgery:q} --tolerance {params.tolerance} \
            --threads {threads} --output {output.fixed:q} --record {output.record:q} >{log:q} 2>&1
        """


# A deployment with a list of passes of its own gets a repaired file of its own, proved in the same way.
use rule fix_onnx as fix_onnx_for_deployment with:
    output:
        fixed=f"{MODEL}/fixed.for-{{deployment}}.onnx",
        record=f"{MODEL}/fixed.for-{{deployment}}.json",
    log:
        "logs/fix_onnx/{model}.{deployment}.log",
    wildcard_constraints:
        deployment=one_of(deployments_with("surgery")),
    params:
        surgery=lambda w: canonical(deployment(w)["surgery"]),
