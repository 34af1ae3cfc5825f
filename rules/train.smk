# Rendered words → a checkpoint of your own: snakemake train. Not part of the report.
#
# list_fonts decides which fonts are learned from and which are kept for validation; train_checkpoint renders as it
# learns and goes on where it was killed; plot_training and draw_sheet are for looking at. A model that names
# results/training/{recipe}/weights.safetensors as its checkpoint ties all of this to the report.

TRAINING = "results/training/{recipe}"


rule list_fonts:
    output:
        fonts=f"{TRAINING}/fonts.json",
        record=f"{TRAINING}/fonts.record.json",
    log:
        "logs/list_fonts/{recipe}.log",
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(15),
    params:
        code=code("list_fonts"),
        folders=lambda w: list(map(shipped, RECIPES[w.recipe]["fonts"])),
        share=lambda w: RECIPES[w.recipe]["validation"]["fonts"],
    message:
        "Looking at the fonts of {wildcards.recipe}"
    shell:
        r"""
        crnn list_fonts --fonts {params.folders:q} --validation-share {params.share} \
            --output {output.fonts:q} --record {output.record:q} >{log:q} 2>&1
        """


rule render_validation:
    input:
        fonts=f"{TRAINING}/fonts.json",
        lexicons=lexicons,
    output:
        data=f"{TRAINING}/validation.lmdb/data.mdb",
        record=f"{TRAINING}/validation.json",
    log:
        "logs/render_validation/{recipe}.log",
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(60),
    params:
        code=code("render_words"),
        contents=contents(lexicons),
        words=lambda w: RECIPES[w.recipe]["validation"]["words"],
        # Another seed than training's: the same words in other fonts would be easier.
        seed=lambda w: RECIPES[w.recipe]["seed"] + 1,
        directory=subpath(output.data, parent=True),
    message:
        "Rendering the words that {wildcards.recipe} is watched with"
    shell:
        r"""
        crnn render_words --words {params.words} --seed {params.seed} --fonts-list {input.fonts:q} \
            --split validation --lexicon {input.lexicons:q} --output {params.directory:q} --record {output.record:q} \
            >{log:q} 2>&1
        """


# The state is no output: Snakemake removes the outputs of a job that was interrupted, and a killed run goes on from it.
rule train_checkpoint:
    input:
        fonts=f"{TRAINING}/fonts.json",
        lexicons=lexicons,
        start=starting_weights,
        rendered=f"{TRAINING}/validation.lmdb/data.mdb",
        real=watched_words,
    output:
        weights=f"{TRAINING}/weights.safetensors",
        log=f"{TRAINING}/log.jsonl",
        record=f"{TRAINING}/training.json",
    log:
        "logs/train_checkpoint/{recipe}.log",
    conda:
        "../envs/torch.yaml"
    threads: all_cores
    resources:
        **TRAINED_ON_DEVICE,
        mem_mb=grows(8000),
        runtime=grows(24 * 60),
    params:
        code=code("train_checkpoint"),
        contents=contents(lexicons, starting_weights, watched_words),
        recipe=training_settings,
        network=lambda w: network_of(RECIPES[w.recipe]),
        charset=lambda w: RECIPES[w.recipe]["charset"],
        widths=lambda w: canonical(WIDTHS[RECIPES[w.recipe]["widths"]]),
        start=lambda w, input: [f"--start={file}" for file in input.start],
        validation=lambda w, input: [
            f"{name}={Path(file).parent}"
            for name, files in [("rendered", [input.rendered]), ("real", input.real)]
            for file in files
        ],
        running=running_options,
        state=lambda w, output: f"{Path(output.weights).parent}/state.pt",
    message:
        "Training {wildcards.recipe} (progress in {log})"
    shell:
        r"""
        crnn train_checkpoint --recipe {params.recipe:q} --network {params.network:q} --charset {params.charset:q} \
            --widths {params.widths:q} --fonts {input.fonts:q} --lexicon {input.lexicons:q} {params.start:q} \
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
        "logs/plot_training/{recipe}.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(5),
    params:
        code=code("plot_training"),
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
        errors=errors_of_recipe,
    output:
        card=f"{TRAINING}/README.md",
    log:
        "logs/write_card/{recipe}.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(5),
    params:
        code=code("write_card", "crnn/train/card.md.j2"),
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
        "logs/draw_sheet/{recipe}.log",
    conda:
        "../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(15),
    params:
        code=code("render_sheet"),
        contents=contents(lexicons),
        seed=lambda w: RECIPES[w.recipe]["seed"],
    message:
        "Drawing some of the words that {wildcards.recipe} learns from"
    shell:
        r"""
        crnn render_sheet --words 200 --seed {params.seed} --fonts-list {input.fonts:q} --split train \
            --lexicon {input.lexicons:q} --output {output.sheet:q} --record {output.record:q} >{log:q} 2>&1
        """


rule render_sheet:
    input:
        expand(f"{TRAINING}/sheet.png", recipe=RECIPES),
    message:
        "Sheets of rendered words: {input}"


rule train:
    input:
        expand(
            f"{TRAINING}/{{file}}", recipe=RECIPES, file=["weights.safetensors", "curve.svg", "sheet.png", "README.md"]
        ),
    message:
        "Checkpoints are ready: {input}"
