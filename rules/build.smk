# Model file → what a device loads.
#
# One rule per runtime, all alike: a folder of crnn/runtimes says which files it builds, envs/ holds its toolchain, and
# a deployment of the config names it. build_onnxruntime, build_torch, …

for runtime in layout.runtimes_in_use.values():

    rule:
        name:
            f"build_{runtime.name}"
        input:
            source=lambda w: layout.model(w.model, layout.deployments[w.deployment].model_file),
            contract=CONTRACT,
            plan=lambda w: layout.compiled_plan(w.deployment),
        output:
            files=[f"{RESULTS}/builds/{{model}}/{{deployment}}/{file}" for file in runtime.files],
            record=f"{RESULTS}/builds/{{model}}/{{deployment}}/build.json",
        log:
            f"{LOGS}/build_{runtime.name}/{{model}}.{{deployment}}.log",
        benchmark:
            f"{LOGS}/build_{runtime.name}/{{model}}.{{deployment}}.tsv"
        wildcard_constraints:
            deployment=one_of([name for name, entry in layout.deployments.items() if entry.runtime == runtime]),
        conda:
            f"../envs/{runtime.name}.yaml"
        resources:
            **occupies(lambda w: reader_of(w).runtime.build_device),
            **needs(mb=4000, minutes=60),
        params:
            **MAKERS.params("build_model", runtime.name, runtime),
            runtime=f"--runtime={runtime.name}",
            options=option("options", lambda w: layout.build_options(w.deployment)),
            plan=lambda w, input: [f"--plan={file}" for file in input.plan],
            directory=subpath(output.record, parent=True),
        message:
            "Building {wildcards.model} for {wildcards.deployment}"
        shell:
            r"""
            crnn build_model --source {input.source:q} --contract {input.contract:q} {params.runtime:q} {params.options:q} {params.plan:q} \
                --output {params.directory:q} --record {output.record:q} >{log:q} 2>&1
            """


# What a deployment lacks on this machine is said before the first job, and not when its turn comes. Jobs that another
# machine or an env of conda's will run are left to say so themselves, as in a check, where it is a row's fault.
onstart:
    questions = layout.toolchain_questions(
        (
            job.wildcards.get("reader", job.wildcards.get("deployment")),
            "build.json" in str(job.output.get("record")),
        )
        for job in workflow.dag.needrun_jobs()
        if "runtime" in job.params.keys()
    )
    if questions and workflow.local_exec and not BY_CONDA and "check" not in config:
        command = [sys.executable, str(STAGES / "stage.py"), "check_toolchains", "--asked", canonical(questions)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise WorkflowError(done.stderr.removeprefix("error: ").strip())
