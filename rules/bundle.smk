# Build → bundle: what an application needs of a deployment (docs/application.md).
#
# snakemake --cores 4 bundles, or one by name: results/bundles/crnn/ort. Its golden words are rendered; a report needs
# none of it.

# What a bundle is written from besides modules: its program, its description and, where there is one, the loader of the
# runtime.
BUNDLED = ("crnn/inference/bundled/read.py", "crnn/inference/bundled/README.md")
loader = lambda runtime: f"{runtime.module.rpartition('.')[0].replace('.', '/')}/bundled.py"
bundled = lambda runtime: [file for file in (*BUNDLED, loader(runtime)) if (STAGES / file).is_file()]


rule make_bundle:
    input:
        words=layout.words(GOLDEN),
        contract=CONTRACT,
        plan=lambda w: layout.plan(layout.deployments[w.deployment].widths),
        model=lambda w: reader_of(w).files,
        origin=lambda w: layout.model_source(w.model),
        runs=lambda w: layout.scored(w.model, w.deployment),
    output:
        directory(f"{RESULTS}/bundles/{{model}}/{{deployment}}"),
    log:
        f"{LOGS}/make_bundle/{{model}}.{{deployment}}.log",
    benchmark:
        f"{LOGS}/make_bundle/{{model}}.{{deployment}}.tsv"
    wildcard_constraints:
        deployment=one_of(layout.alone),
    conda:
        runtime_env
    threads: 2
    resources:
        **ON_DEVICE,
        **needs(mb=4000, minutes=30),
    params:
        **made_by_runtime("make_bundle", bundled),
        **SESSION,
        widths=WIDTHS,
        batch=option("batch", lambda w: reader_of(w).batch),
        identity=option("identity", lambda w: layout.bundle_identity(w.model, w.deployment)),
        words=subpath(input.words, parent=True),
    message:
        "Making the bundle of {wildcards.model} on {wildcards.deployment}"
    shell:
        r"""
        crnn make_bundle --model {input.model[0]:q} {params.runtime:q} {params.options:q} {params.calls:q} \
            --contract {input.contract:q} {params.widths:q} {params.batch:q} {params.identity:q} --words {params.words:q} \
            --origin {input.origin:q} --runs {input.runs:q} --threads {threads} --output {output:q} >{log:q} 2>&1
        """


rule bundles:
    input:
        layout.bundles(),
    message:
        "Bundles are ready: {input}"
