# LMDB → tensors.
#
# make_tensors prepares the words of a part by one width rule; write_recipe_layout is for people who feed other tools.

TENSORS = f"{RESULTS}/datasets/{{dataset}}/tensors/{{widths}}/{{part}}"


rule make_tensors:
    input:
        words=WORDS,
        plan=lambda w: layout.plan(w.widths),
    output:
        samples=f"{TENSORS}/samples.parquet",
        contract=f"{TENSORS}/contract.json",
        record=f"{TENSORS}/tensors.json",
    log:
        f"{LOGS}/make_tensors/{{dataset}}.{{widths}}.{{part}}.log",
    benchmark:
        f"{LOGS}/make_tensors/{{dataset}}.{{widths}}.{{part}}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 4
    resources:
        **needs(mb=4000, minutes=240),
    params:
        **MAKERS.params("make_tensors", "data"),
        widths=WIDTHS,
        labels=LABELS,
        part=option("part", lambda w: f"{w.part}/{len(layout.parts(w.dataset))}"),
        words=subpath(input.words, parent=True),
        directory=subpath(output.contract, parent=True),
    message:
        "Preparing part {wildcards.part} of {wildcards.dataset} by the width rule {wildcards.widths}"
    shell:
        r"""
        crnn make_tensors --words {params.words:q} {params.widths:q} {params.labels:q} {params.part:q} \
            --processes {threads} --output {params.directory:q} --record {output.record:q} >{log:q} 2>&1
        """


# snakemake --cores 1 results/datasets/sample/recipe_layout/recipe
rule write_recipe_layout:
    input:
        contracts=lambda w: layout.tensors(w.dataset, w.widths),
    output:
        directory(f"{RESULTS}/datasets/{{dataset}}/recipe_layout/{{widths}}"),
    log:
        f"{LOGS}/write_recipe_layout/{{dataset}}.{{widths}}.log",
    benchmark:
        f"{LOGS}/write_recipe_layout/{{dataset}}.{{widths}}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        **needs(mb=1000, minutes=60),
    params:
        **MAKERS.params("write_recipe_layout", "data"),
        widths=WIDTHS,
        tensors=parents_of("contracts"),
    message:
        "Writing {wildcards.dataset} as test_N.npy and label.txt"
    shell:
        r"""
        crnn write_recipe_layout --tensors {params.tensors:q} {params.widths:q} --output {output:q} >{log:q} 2>&1
        """
