# Rendered words → a checkpoint of your own: snakemake train. Not part of the report.
#
# list_fonts decides which fonts are learned from and which are kept for validation; train_checkpoint renders as it
# learns and goes on where it was killed; plot_training and draw_sheet are for looking at. A model that names
# results/training/{recipe}/weights.safetensors as its checkpoint ties all of this to the report.

TRAINING = f"{RESULTS}/training/{{recipe}}"


of_training = lambda key: lambda w: config["training"][w.recipe].get(key)
validation = lambda key: lambda w: config["training"][w.recipe]["validation"][key]
lexicons = lambda w: list(map(layout.shipped, config["training"][w.recipe]["lexicons"]))


rule list_fonts:
    output:
        fonts=f"{TRAINING}/fonts.json",
        record=f"{TRAINING}/fonts.record.json",
    log:
        f"{LOGS}/list_fonts/{{recipe}}.log",
    benchmark:
        f"{LOGS}/list_fonts/{{recipe}}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        **needs(mb=1000, minutes=15),
    params:
        **MAKERS.params("list_fonts", "data"),
        fonts=lambda w: ["--fonts", *map(layout.shipped, of_training("fonts")(w))],
        share=option("validation-share", validation("fonts")),
    message:
        "Looking at the fonts of {wildcards.recipe}"
    shell:
        r"""
        crnn list_fonts {params.fonts:q} {params.share:q} --output {output.fonts:q} --record {output.record:q} >{log:q} 2>&1
        """


rule render_validation:
    input:
        fonts=f"{TRAINING}/fonts.json",
        lexicons=lexicons,
    output:
        data=f"{TRAINING}/validation.lmdb/data.mdb",
        record=f"{TRAINING}/validation.json",
    log:
        f"{LOGS}/render_validation/{{recipe}}.log",
    benchmark:
        f"{LOGS}/render_validation/{{recipe}}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        **needs(mb=1000, minutes=60),
    params:
        **MAKERS.params("render_words", "data"),
        held=held(lexicons),
        words=option("words", validation("words")),
        # Another seed than training's: the same words in other fonts would be easier.
        seed=option("seed", lambda w: of_training("seed")(w) + 1),
        directory=subpath(output.data, parent=True),
    message:
        "Rendering the words that {wildcards.recipe} is watched with"
    shell:
        r"""
        crnn render_words {params.words:q} {params.seed:q} --fonts-list {input.fonts:q} --split validation --lexicon {input.lexicons:q} --output {params.directory:q} --record {output.record:q} \
            >{log:q} 2>&1
        """


# The state is no output: Snakemake removes the outputs of a job that was interrupted, and a killed run goes on from it.
rule train_checkpoint:
    input:
        fonts=f"{TRAINING}/fonts.json",
        lexicons=lexicons,
        start=lambda w: layout.starting_weights(w.recipe),
        rendered=f"{TRAINING}/validation.lmdb/data.mdb",
        real=lambda w: layout.watched_words(w.recipe),
    output:
        weights=f"{TRAINING}/weights.safetensors",
        log=f"{TRAINING}/log.jsonl",
        record=f"{TRAINING}/training.json",
    log:
        f"{LOGS}/train_checkpoint/{{recipe}}.log",
    benchmark:
        f"{LOGS}/train_checkpoint/{{recipe}}.tsv"
    conda:
        "../envs/torch.yaml"
    threads: all_cores
    resources:
        **occupies(lambda w: "gpu" if of_training("device")(w) == "cuda" else None),
        **needs(mb=8000, minutes=24 * 60),
    params:
        **MAKERS.params("train_checkpoint", "torch"),
        held=held(lexicons, lambda w: layout.starting_weights(w.recipe), lambda w: layout.watched_words(w.recipe)),
        recipe=option("recipe", lambda w: layout.training_settings(w.recipe)),
        network=option("network", lambda w: network_size(config["training"][w.recipe])),
        charset=option("charset", of_training("charset")),
        widths=option("widths", lambda w: config["widths"][of_training("widths")(w)]),
        start=lambda w, input: [f"--start={file}" for file in input.start],
        validation=lambda w, input: [
            f"{name}={Path(file).parent}"
            for name, files in [("rendered", [input.rendered]), ("real", input.real)]
            for file in files
        ],
        # How it runs and not what it learns: `output` keeps these out of the comparison.
        running=lambda w, output: [
            f"--{key.replace('_', '-')}={of_training(key)(w)}"
            for key in ("device", "save_seconds", "processes")
            if of_training(key)(w) is not None
        ],
        code=lambda w, output: " ".join(MAKERS.texts("train_checkpoint", "torch")),
        state=lambda w, output: f"{Path(output.weights).parent}/state.pt",
    message:
        "Training {wildcards.recipe} (progress in {log})"
    shell:
        r"""
        crnn train_checkpoint {params.recipe:q} {params.network:q} {params.charset:q} {params.widths:q} \
            --fonts {input.fonts:q} --lexicon {input.lexicons:q} {params.start:q} \
            --validation {params.validation:q} {params.running:q} --threads {threads} --code {params.code:q} \
            --state {params.state:q} --output {output.weights:q} --log {output.log:q} --record {output.record:q} \
            >>{log:q} 2>&1
        """


rule plot_training:
    input:
        log=f"{TRAINING}/log.jsonl",
    output:
        curve=report(f"{TRAINING}/curve.svg", category="Training", labels={"recipe": "{recipe}"}),
    log:
        f"{LOGS}/plot_training/{{recipe}}.log",
    benchmark:
        f"{LOGS}/plot_training/{{recipe}}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        **needs(mb=1000, minutes=5),
    params:
        **MAKERS.params("plot_training", "report"),
    message:
        "Plotting the training of {wildcards.recipe}"
    shell:
        r"""
        crnn plot_training --log {input.log:q} --output {output.curve:q} >{log:q} 2>&1
        """


rule write_card:
    input:
        training=f"{TRAINING}/training.json",
        fonts=f"{TRAINING}/fonts.json",
        errors=lambda w: layout.errors_of_training(w.recipe),
    output:
        card=f"{TRAINING}/README.md",
    log:
        f"{LOGS}/write_card/{{recipe}}.log",
    benchmark:
        f"{LOGS}/write_card/{{recipe}}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        **needs(mb=1000, minutes=5),
    params:
        **MAKERS.params("write_card", "report", files=("crnn/train/card.md.j2",)),
    message:
        "Writing the model card of {wildcards.recipe}"
    shell:
        r"""
        crnn write_card --name {wildcards.recipe:q} --training {input.training:q} --fonts {input.fonts:q} \
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
        f"{LOGS}/draw_sheet/{{recipe}}.log",
    benchmark:
        f"{LOGS}/draw_sheet/{{recipe}}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        **needs(mb=1000, minutes=15),
    params:
        **MAKERS.params("render_sheet", "data"),
        held=held(lexicons),
        seed=option("seed", of_training("seed")),
    message:
        "Drawing some of the words that {wildcards.recipe} learns from"
    shell:
        r"""
        crnn render_sheet --words 200 {params.seed:q} --fonts-list {input.fonts:q} --split train \
            --lexicon {input.lexicons:q} --output {output.sheet:q} --record {output.record:q} >{log:q} 2>&1
        """


rule render_sheet:
    input:
        expand(f"{TRAINING}/sheet.png", recipe=config["training"]),
    message:
        "Sheets of rendered words: {input}"


rule train:
    input:
        expand(
            f"{TRAINING}/{{file}}",
            recipe=config["training"],
            file=["weights.safetensors", "curve.svg", "sheet.png", "README.md"],
        ),
    message:
        "Checkpoints are ready: {input}"
