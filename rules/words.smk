# Words → LMDB.
#
# Each dataset of the config has one source, and one of these rules makes its words.lmdb: import_lmdb, import_images,
# import_iiit5k (after download_iiit5k where no archive is given), render_words. So have the words that the workflow
# takes for itself, `calibration` and `tuning`.

WORDS = f"{RESULTS}/datasets/{{dataset}}/words.lmdb/data.mdb"
WORDS_RECORD = f"{RESULTS}/datasets/{{dataset}}/words.json"
FONTS = [layout.shipped(f"resources/fonts/{path.name}") for path in sorted((ROOT / "resources/fonts").glob("*.[to]tf"))]
LEXICON = layout.shipped("resources/words/english.txt")
of_source = lambda source, key: lambda w: layout.datasets[w.dataset][source].get(key)


rule import_lmdb:
    input:
        data=lambda w: f"{layout.datasets[w.dataset]['lmdb']}/data.mdb",
    output:
        data=WORDS,
        record=WORDS_RECORD,
    log:
        f"{LOGS}/import_lmdb/{{dataset}}.log",
    benchmark:
        f"{LOGS}/import_lmdb/{{dataset}}.tsv"
    wildcard_constraints:
        dataset=one_of(layout.datasets_from("lmdb")),
    conda:
        "../envs/data.yaml"
    resources:
        **needs(mb=1000, minutes=60),
    params:
        **MAKERS.params("import_lmdb", "data"),
        held=held(lambda w: f"{layout.datasets[w.dataset]['lmdb']}/data.mdb"),
        source=subpath(input.data, parent=True),
        directory=subpath(output.data, parent=True),
    message:
        "Copying the LMDB of {wildcards.dataset}"
    shell:
        r"""
        crnn import_lmdb --source {params.source:q} --output {params.directory:q} --record {output.record:q} >{log:q} 2>&1
        """


rule import_images:
    input:
        # Its time says nothing of the files in it; `held` does.
        folder=ancient(of_source("images", "folder")),
        labels=of_source("images", "labels"),
    output:
        data=WORDS,
        record=WORDS_RECORD,
    log:
        f"{LOGS}/import_images/{{dataset}}.log",
    benchmark:
        f"{LOGS}/import_images/{{dataset}}.tsv"
    wildcard_constraints:
        dataset=one_of(layout.datasets_from("images")),
    conda:
        "../envs/data.yaml"
    resources:
        **needs(mb=1000, minutes=60),
    params:
        **MAKERS.params("import_images", "data"),
        held=held(of_source("images", "folder"), of_source("images", "labels")),
        form=option("form", of_source("images", "form")),
        names=option("names", of_source("images", "names")),
        directory=subpath(output.data, parent=True),
    message:
        "Packing the images of {wildcards.dataset}"
    shell:
        r"""
        crnn import_images --folder {input.folder:q} --labels {input.labels:q} {params.form:q} {params.names:q} \
            --output {params.directory:q} --record {output.record:q} >{log:q} 2>&1
        """


# On a cluster this runs where snakemake was started: nodes often reach no network.
rule download_iiit5k:
    output:
        archive=f"{RESULTS}/datasets/{{dataset}}/IIIT5K-Word_V3.0.tar.gz",
    log:
        f"{LOGS}/download_iiit5k/{{dataset}}.log",
    benchmark:
        f"{LOGS}/download_iiit5k/{{dataset}}.tsv"
    wildcard_constraints:
        dataset=one_of(layout.datasets_from("iiit5k")),
    localrule: True
    conda:
        "../envs/data.yaml"
    resources:
        **needs(mb=500, minutes=120),
    params:
        **MAKERS.params("download_file", "data"),
        url=option("url", of_source("iiit5k", "url")),
        sha256=option("sha256", of_source("iiit5k", "sha256")),
        # For an error message alone, so it takes `output`: another wording downloads nothing.
        remedy=lambda w, output: f"download it by hand and name it in the config: datasets.{w.dataset}.iiit5k.archive",
    message:
        "Downloading the IIIT5K archive"
    shell:
        r"""
        crnn download_file {params.url:q} {params.sha256:q} --remedy {params.remedy:q} --output {output.archive:q} \
            >{log:q} 2>&1
        """


rule import_iiit5k:
    input:
        archive=lambda w: of_source("iiit5k", "archive")(w) or rules.download_iiit5k.output.archive.format(**w),
    output:
        data=WORDS,
        record=WORDS_RECORD,
    log:
        f"{LOGS}/import_iiit5k/{{dataset}}.log",
    benchmark:
        f"{LOGS}/import_iiit5k/{{dataset}}.tsv"
    wildcard_constraints:
        dataset=one_of(layout.datasets_from("iiit5k")),
    conda:
        "../envs/data.yaml"
    resources:
        **needs(mb=1000, minutes=60),
    params:
        **MAKERS.params("import_iiit5k", "data"),
        split=option("split", of_source("iiit5k", "split")),
        sha256=option("sha256", of_source("iiit5k", "sha256")),
        directory=subpath(output.data, parent=True),
    message:
        "Unpacking IIIT5K"
    shell:
        r"""
        crnn import_iiit5k --archive {input.archive:q} {params.sha256:q} {params.split:q} --output {params.directory:q} \
            --record {output.record:q} >{log:q} 2>&1
        """


rule render_words:
    input:
        lexicon=LEXICON,
        fonts=FONTS,
    output:
        data=WORDS,
        record=WORDS_RECORD,
    log:
        f"{LOGS}/render_words/{{dataset}}.log",
    benchmark:
        f"{LOGS}/render_words/{{dataset}}.tsv"
    wildcard_constraints:
        dataset=one_of(layout.datasets_from("sample")),
    conda:
        "../envs/data.yaml"
    resources:
        **needs(mb=1000, minutes=60),
    params:
        **MAKERS.params("render_words", "data"),
        held=held(LEXICON, FONTS),
        words=option("words", of_source("sample", "words")),
        seed=option("seed", of_source("sample", "seed")),
        fonts=lambda w, input: [f"--fonts={Path(input.fonts[0]).parent}"],
        directory=subpath(output.data, parent=True),
    message:
        "Rendering the words of {wildcards.dataset}"
    shell:
        r"""
        crnn render_words {params.words:q} {params.seed:q} {params.fonts:q} --lexicon {input.lexicon:q} \
            --output {params.directory:q} --record {output.record:q} >{log:q} 2>&1
        """
