# Model file → what a device loads.
#
# One rule per runtime, all alike: a folder of crnn/runtimes says which files it builds, envs/ holds its
# toolchain, and a deployment of the config names it. build_onnxruntime, build_torch, …

BUILD = "results/builds/{model}/{deployment}"

for runtime in RUNTIMES.values():

    rule:
        name:
            f"build_{runtime.name}"
        input:
            source=source_of,
            buckets=compiled_plan,
        output:
            files=[f"{BUILD}/{file}" for file in runtime.files],
            record=f"{BUILD}/build.json",
        log:
            f"logs/build_{runtime.name}/{{model}}.{{deployment}}.log",
        wildcard_constraints:
            deployment=one_of(deployments_on(runtime.name)),
        conda:
            f"../envs/{runtime.name}.yaml"
        threads: 1
        resources:
            **BUILT_ON_DEVICE,
            mem_mb=grows(4000),
            runtime=grows(60),
        params:
            code=code("build_model", module_of(runtime.name)),
            runtime=runtime.name,
            options=build_options,
            plan=lambda w, input: [f"--plan={file}" for file in input.buckets],
            directory=subpath(output.record, parent=True),
        message:
            "Building {wildcards.model} for {wildcards.deployment}"
        shell:
            r"""
            crnn build_model --source {input.source:q} --runtime {params.runtime:q} \
                --options {params.options:q} {params.plan:q} --output {params.directory:q} --record {output.record:q} >{log:q} 2>&1
            """


# What a deployment lacks on this machine is said before the first job, and not when its turn comes.
onstart:
    check_toolchains(workflow.dag.needrun_jobs())
