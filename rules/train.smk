# Rendered words → a checkpoint of your own: snakemake train. A report needs it only where a model names
# results/training/{training}/weights.safetensors as its checkpoint. list_fonts decides which fonts are learned from and
# which are kept for validation; train_checkpoint renders as it learns and goes on where it was killed.

TRAINING = f"{RESULTS}/training/{{training}}"
of_training = lambda key: lambda w: config["training"][w.training].get(key)
lexicons = lambda w: [layout.shipped(path) for path in of_training("lexicons")(w)]
start_of = lambda w: [layout.shipped(path) for path in picked(config["training"][w.training], "start").values()]
real_words = lambda w: [f"{lmdb}/data.mdb" for lmdb in picked(of_training("validation")(w), "lmdb").values()]
running_of = lambda w: picked(config["training"][w.training], "device", "save_seconds", "processes")
network_of = lambda entry: {**picked(entry, "channels", "hidden"), "classes": len(entry["charset"]) + 1}


rule list_fonts:
    output:
        fonts=f"{TRAINING}/fonts.json",
        record=f"{TRAINING}/fonts.record.json",
    log:
        f"{LOGS}/list_fonts/{{training}}.log",
    benchmark:
        f"{LOGS}/list_fonts/{{training}}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        **needs(mb=1000, minutes=15),
    params:
        **MAKERS.params("list_fonts", "data"),
        fonts=lambda w: ["--fonts", *map(layout.shipped, of_training("fonts")(w))],
        share=option("validation-share", lambda w: of_training("validation")(w)["fonts"]),
    message:
        "Looking at the fonts of {wildcards.training}"
    shell:
        r"""
        crnn list_fonts {params.fonts:q} {params.share:q} \
            --output {output.fonts:q} --record {output.record:q} >{log:q} 2>&1
        """


use rule render_words as render_validation with:
    input:
        fonts=f"{TRAINING}/fonts.json",
        lexicon=lexicons,
    output:
        data=f"{TRAINING}/validation.lmdb/data.mdb",
        record=f"{TRAINING}/validation.json",
    log:
        f"{LOGS}/render_validation/{{training}}.log",
    benchmark:
        f"{LOGS}/render_validation/{{training}}.tsv"
    params:
        held=held(lexicons),
        words=option("words", lambda w: of_training("validation")(w)["words"]),
        # Another seed than training's: the same words in other fonts would be easier.
        seed=option("seed", lambda w: of_training("seed")(w) + 1),
        fonts=lambda w, input: [f"--fonts-list={input.fonts}", "--split=validation"],
    message:
        "Rendering the words that {wildcards.training} is watched with"


# The state is no output: Snakemake removes the outputs of a job that was interrupted, and a killed run goes on from it.
rule train_checkpoint:
    input:
        fonts=f"{TRAINING}/fonts.json",
        lexicons=lexicons,
        start=start_of,
        rendered=f"{TRAINING}/validation.lmdb/data.mdb",
        real=real_words,
    output:
        weights=f"{TRAINING}/weights.safetensors",
        log=f"{TRAINING}/log.jsonl",
        record=f"{TRAINING}/training.json",
    log:
        f"{LOGS}/train_checkpoint/{{training}}.log",
    benchmark:
        f"{LOGS}/train_checkpoint/{{training}}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: all_cores
    resources:
        **occupies(lambda w: "gpu" if of_training("device")(w) == "cuda" else None),
        **needs(mb=8000, minutes=24 * 60),
    params:
        **MAKERS.params("train_checkpoint", "torch"),
        held=held(lexicons, start_of, real_words),
        settings=option("settings", lambda w: layout.training_settings(w.training)),
        network=option("network", lambda w: network_of(config["training"][w.training])),
        charset=option("charset", of_training("charset")),
        widths=option("widths", lambda w: config["widths"][of_training("widths")(w)]),
        start=lambda w, input: [f"--start={file}" for file in input.start],
        validation=lambda w, input: [
            f"{name}={Path(file).parent}" for name in ("rendered", "real") for file in flatten([input[name]])
        ],
        # How it runs and not what it learns: `output` keeps these out of the comparison.
        running=lambda w, output: [f"--{key.replace('_', '-')}={value}" for key, value in running_of(w).items()],
        code=lambda w, output: " ".join(MAKERS.texts("train_checkpoint", "torch")),
        state=lambda w, output: f"{Path(output.weights).parent}/state.pt",
    message:
        "Training {wildcards.training} (progress in {log})"
    shell:
        r"""
        crnn train_checkpoint {params.settings:q} {params.network:q} {params.charset:q} {params.widths:q} \
            --fonts {input.fonts:q} --lexicon {input.lexicons:q} {params.start:q} --validation {params.validation:q} \
            {params.running:q} --threads {threads} --code {params.code:q} --state {params.state:q} \
            --output {output.weights:q} --log {output.log:q} --record {output.record:q} >>{log:q} 2>&1
        """


rule plot_training:
    input:
        log=f"{TRAINING}/log.jsonl",
    output:
        curve=report(f"{TRAINING}/curve.svg", category="Training", labels={"training": "{training}"}),
    log:
        f"{LOGS}/plot_training/{{training}}.log",
    benchmark:
        f"{LOGS}/plot_training/{{training}}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        **needs(mb=1000, minutes=5),
    params:
        **MAKERS.params("plot_training", "report"),
    message:
        "Plotting the training of {wildcards.training}"
    shell:
        r"""
        crnn plot_training --log {input.log:q} --output {output.curve:q} >{log:q} 2>&1
        """


rule write_card:
    input:
        training=f"{TRAINING}/training.json",
        fonts=f"{TRAINING}/fonts.json",
        errors=lambda w: layout.errors_of_training(w.training),
    output:
        card=f"{TRAINING}/README.md",
    log:
        f"{LOGS}/write_card/{{training}}.log",
    benchmark:
        f"{LOGS}/write_card/{{training}}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        **needs(mb=1000, minutes=5),
    params:
        **MAKERS.params("write_card", "report", files=("crnn/train/card.md.j2",)),
    message:
        "Writing the model card of {wildcards.training}"
    shell:
        r"""
        crnn write_card --name {wildcards.training:q} --training {input.training:q} --fonts {input.fonts:q} \
            --errors {input.errors:q} --output {output.card:q} >{log:q} 2>&1
        """


rule draw_sheet:
    input:
        fonts=f"{TRAINING}/fonts.json",
        lexicons=lexicons,
    output:
        sheet=f"{TRAINING}/sheet.png",
        record=f"{TRAINING}/sheet.json",
    log:
        f"{LOGS}/draw_sheet/{{training}}.log",
    benchmark:
        f"{LOGS}/draw_sheet/{{training}}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        **needs(mb=1000, minutes=15),
    params:
        **MAKERS.params("render_sheet", "data"),
        held=held(lexicons),
        seed=option("seed", of_training("seed")),
    message:
        "Drawing some of the words that {wildcards.training} learns from"
    shell:
        r"""
        crnn render_sheet --words 200 {params.seed:q} --fonts-list {input.fonts:q} --split train \
            --lexicon {input.lexicons:q} --output {output.sheet:q} --record {output.record:q} >{log:q} 2>&1
        """


rule render_sheet:
    input:
        expand(f"{TRAINING}/sheet.png", training=config["training"]),
    message:
        "Sheets of rendered words: {input}"


rule train:
    input:
        expand(
            f"{TRAINING}/{{file}}",
            training=config["training"],
            file=["weights.safetensors", "curve.svg", "sheet.png", "README.md"],
        ),
    message:
        "Checkpoints are ready: {input}"
