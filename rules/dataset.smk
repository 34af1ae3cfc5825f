# Words → LMDB → tensors.
#
# Each dataset of the config has one source, and one of these rules makes its words.lmdb:
#   import_lmdb, import_images, import_iiit5k (after download_iiit5k where no archive is given), render_sample.
# make_tensors prepares the words by one width rule; write_recipe_layout is for people who feed other tools.

WORDS = "results/datasets/{dataset}/words.lmdb"
TENSORS = "results/datasets/{dataset}/tensors/{widths}"


rule import_lmdb:
    input:
        data=lambda w: f"{DATASETS[w.dataset]['lmdb']}/data.mdb",
    output:
        data=f"{WORDS}/data.mdb",
        record="results/datasets/{dataset}/words.json",
    log:
        "logs/import_lmdb/{dataset}.log",
    wildcard_constraints:
        dataset=one_of(datasets_from("lmdb")),
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(60),
    params:
        code=code("import_lmdb"),
        contents=contents(lambda w: f"{DATASETS[w.dataset]['lmdb']}/data.mdb"),
        source=subpath(input.data, parent=True),
        directory=subpath(output.data, parent=True),
    message:
        "Copying the LMDB of {wildcards.dataset}"
    shell:
        r"""
        crnn import_lmdb --source {params.source:q} --output {params.directory:q} \
            --record {output.record:q} >{log:q} 2>&1
        """


rule import_images:
    input:
        # Its time says nothing of the files in it; contents below does.
        folder=ancient(lambda w: DATASETS[w.dataset]["images"]["folder"]),
        labels=lambda w: DATASETS[w.dataset]["images"]["labels"],
    output:
        data=f"{WORDS}/data.mdb",
        record="results/datasets/{dataset}/words.json",
    log:
        "logs/import_images/{dataset}.log",
    wildcard_constraints:
        dataset=one_of(datasets_from("images")),
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(60),
    params:
        code=code("import_images"),
        contents=contents(
            lambda w: DATASETS[w.dataset]["images"]["folder"],
            lambda w: DATASETS[w.dataset]["images"]["labels"],
        ),
        form=lambda w: DATASETS[w.dataset]["images"]["form"],
        directory=subpath(output.data, parent=True),
    message:
        "Packing the images of {wildcards.dataset}"
    shell:
        r"""
        crnn import_images --folder {input.folder:q} --labels {input.labels:q} --form {params.form:q} \
            --output {params.directory:q} --record {output.record:q} >{log:q} 2>&1
        """


# On a cluster this runs where snakemake was started: nodes often reach no network.
rule download_iiit5k:
    output:
        archive="results/datasets/{dataset}/IIIT5K-Word_V3.0.tar.gz",
    log:
        "logs/download_iiit5k/{dataset}.log",
    wildcard_constraints:
        dataset=one_of(datasets_from("iiit5k")),
    localrule: True
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=grows(500),
        runtime=grows(120),
    params:
        code=code("download_file"),
        url=lambda w: DATASETS[w.dataset]["iiit5k"]["url"],
        sha256=lambda w: DATASETS[w.dataset]["iiit5k"]["sha256"],
        # For an error message alone, so it takes `output`: another wording downloads nothing.
        remedy=lambda w, output: (f"download it by hand and name it in the config: datasets.{w.dataset}.iiit5k.archive"),
    message:
        "Downloading the IIIT5K archive"
    shell:
        r"""
        crnn download_file --url {params.url:q} --sha256 {params.sha256:q} --remedy {params.remedy:q} \
            --output {output.archive:q} >{log:q} 2>&1
        """


rule import_iiit5k:
    input:
        archive=iiit5k_archive,
    output:
        data=f"{WORDS}/data.mdb",
        record="results/datasets/{dataset}/words.json",
    log:
        "logs/import_iiit5k/{dataset}.log",
    wildcard_constraints:
        dataset=one_of(datasets_from("iiit5k")),
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(60),
    params:
        code=code("import_iiit5k"),
        split=lambda w: DATASETS[w.dataset]["iiit5k"]["split"],
        sha256=lambda w: DATASETS[w.dataset]["iiit5k"]["sha256"],
        directory=subpath(output.data, parent=True),
    message:
        "Unpacking IIIT5K"
    shell:
        r"""
        crnn import_iiit5k --archive {input.archive:q} --sha256 {params.sha256:q} --split {params.split:q} \
            --output {params.directory:q} --record {output.record:q} >{log:q} 2>&1
        """


rule render_sample:
    input:
        lexicon=shipped("resources/words/english.txt"),
        fonts=FONTS,
    output:
        data=f"{WORDS}/data.mdb",
        record="results/datasets/{dataset}/words.json",
    log:
        "logs/render_sample/{dataset}.log",
    wildcard_constraints:
        dataset=one_of(datasets_from("sample")),
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(60),
    params:
        code=code("render_words"),
        contents=contents(shipped("resources/words/english.txt"), *FONTS),
        words=lambda w: DATASETS[w.dataset]["sample"]["words"],
        seed=lambda w: DATASETS[w.dataset]["sample"]["seed"],
        fonts=lambda w, input: str(Path(input.fonts[0]).parent),
        directory=subpath(output.data, parent=True),
    message:
        "Rendering the words of {wildcards.dataset}"
    shell:
        r"""
        crnn render_words --words {params.words} --seed {params.seed} --fonts {params.fonts:q} \
            --lexicon {input.lexicon:q} --output {params.directory:q} --record {output.record:q} >{log:q} 2>&1
        """


rule make_tensors:
    input:
        words=f"{WORDS}/data.mdb",
        buckets=bucket_plan,
    output:
        samples=f"{TENSORS}/samples.parquet",
        contract=f"{TENSORS}/contract.json",
        record=f"{TENSORS}/tensors.json",
    log:
        "logs/make_tensors/{dataset}.{widths}.log",
    wildcard_constraints:
        dataset=one_of(WHOLE),
    conda:
        "../envs/data.yaml"
    threads: 4
    resources:
        mem_mb=grows(4000),
        runtime=grows(240),
    params:
        code=code("make_tensors"),
        widths=width_settings,
        labels=LABELS,
        words=subpath(input.words, parent=True),
        shard=[],
        directory=subpath(output.contract, parent=True),
    message:
        "Preparing {wildcards.dataset} by the width rule {wildcards.widths}"
    shell:
        r"""
        crnn make_tensors --words {params.words:q} --widths {params.widths:q} --labels {params.labels:q} \
            {params.shard:q} --processes {threads} --output {params.directory:q} --record {output.record:q} >{log:q} 2>&1
        """


# snakemake --cores 1 results/datasets/sample/recipe_layout/recipe
rule write_recipe_layout:
    input:
        contract=f"{TENSORS}/contract.json",
        buckets=bucket_plan,
    output:
        directory("results/datasets/{dataset}/recipe_layout/{widths}"),
    log:
        "logs/write_recipe_layout/{dataset}.{widths}.log",
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(60),
    params:
        code=code("write_recipe_layout"),
        widths=width_settings,
        tensors=subpath(input.contract, parent=True),
    message:
        "Writing {wildcards.dataset} as test_N.npy and label.txt"
    shell:
        r"""
        crnn write_recipe_layout --tensors {params.tensors:q} --widths {params.widths:q} --output {output:q} \
            >{log:q} 2>&1
        """
