# What Snakemake would not see by itself. No rules here; this comes after all of them.
#
# - It compares params as a set of values: two that change places are equal, and none has a name. So each rule gets one
#   more, made_from, which holds all of them by name, the digests of its modules and the versions of its tools. It is
#   what `make why` compares.
# - It looks at the outputs that a rule declares, and not at what they hold. A result that its record describes
#   otherwise was altered after it was made, and is made again.

from functools import cache

from snakemake.common import get_function_params

# A setting by the name that the rules give it → its key in the config.
CONFIG_KEYS = {
    "batch": "deployments.{deployment}.batch",
    "bounds": "widths.{widths}",
    "budget": "calibration",
    "budgets": "budgets",
    "charset": "models.{model}.charset",
    "form": "datasets.{dataset}.images.form",
    "grid": "planning",
    "gates": "models.{model}.gate_order",
    "interpolation": "widths.{widths}.interpolation",
    "labels": "labels",
    "lanes": "deployments.{deployment}.lanes",
    "layout": "models.{model}.layout",
    "limit": "batching.words",
    "measure": "measure",
    "network": "models.{model}",
    "opset": "models.{model}.opset",
    "options": "deployments.{deployment}.options",
    "report": "report",
    "run": "deployments.{deployment}",
    "runs": "runs",
    "runtime": "deployments.{deployment}.runtime",
    "seed": "datasets.{dataset}.sample.seed",
    "skipped": "deployments",
    "shard": "datasets.{dataset}.shard_words",
    "size": "datasets.{dataset}.shard_words",
    "sha256": "datasets.{dataset}.iiit5k.sha256",
    "sizes": "batching.sizes",
    "split": "datasets.{dataset}.iiit5k.split",
    "surgery": "models.{model}.surgery",
    "fix_onnx_for_deployment.surgery": "deployments.{deployment}.surgery",
    "tolerance": "budgets.max_abs_difference",
    "url": "datasets.{dataset}.iiit5k.url",
    "widths": "widths.{widths}",
    "words": "datasets.{dataset}.sample.words",
    "make_calibration_tensors.shard": "calibration",
    "render_calibration.words": "calibration.words",
    "render_calibration.seed": "calibration.seed",
    "render_tuning.words": "planning.words",
    "render_tuning.seed": "planning.seed",
    "list_fonts.folders": "training.{recipe}.fonts",
    "list_fonts.share": "training.{recipe}.validation.fonts",
    "render_validation.words": "training.{recipe}.validation.words",
    "render_validation.seed": "training.{recipe}.seed",
    "draw_sheet.seed": "training.{recipe}.seed",
    "train_checkpoint.recipe": "training.{recipe}",
    "train_checkpoint.network": "training.{recipe}",
    "train_checkpoint.charset": "training.{recipe}.charset",
    "train_checkpoint.widths": "widths of training.{recipe}",
}


def config_key(rule, name, wildcards):
    """What a person calls a setting of a job; the rule's own name for it where the table has none."""
    key = CONFIG_KEYS.get(f"{rule.name}.{name}") or CONFIG_KEYS.get(name, f"{rule.name}.{name}")
    widths = wildcards.get("widths") or DEPLOYMENTS.get(wildcards.get("deployment"), {}).get("widths")
    return key.format(**{**wildcards, "widths": widths})


def parsed(value):
    """A setting as data, whether or not `canonical` wrote it."""
    return json.loads(value) if isinstance(value, str) and value[:1] in {"{", "["} else value


@cache
def installed_tools(*modules):
    """Versions of the packages that these modules import, as installed here."""
    return installed_versions(MODULES.packages(*modules) - sys.stdlib_module_names - {"crnn"})


def tools(rule, wildcards, modules):
    """Versions of what a job uses: the pins of its env where conda makes it, else what is installed here."""
    runtimes = [name for name in RUNTIMES if module_of(name) in modules]
    probed = {name: version for runtime in runtimes for name, version in probed_versions(runtime).items()}
    if DeploymentMethod.CONDA not in workflow.deployment_settings.deployment_method:
        return installed_tools(*modules) | probed
    env = ROOT / "envs" / Path(rule.conda_env(wildcards) if callable(rule.conda_env) else rule.conda_env).name
    beside = {path.name: DIGESTS.of(path) for path in env.parent.glob(f"{env.stem}.*") if path != env}
    return {"--sdm": "conda"} | pinned_versions(env) | beside | probed


def made_from(rule):
    """Param function: all that a job's output follows from besides its inputs and its command, by name."""
    deriving = {"input", "output", "threads", "resources"}
    compared = {
        name: value
        for name, value in rule.params.items()
        if not (callable(value) and deriving & set(get_function_params(value)))
    }

    def collected(wildcards):
        values = {name: value(wildcards) if callable(value) else value for name, value in compared.items()}
        modules, inputs = json.loads(values.pop("code")), json.loads(values.pop("contents", "{}"))
        return canonical(
            {
                "config": {config_key(rule, name, wildcards): parsed(value) for name, value in values.items()},
                "code": modules,
                "tools": tools(rule, wildcards, modules),
                "inputs": inputs,
            }
        )

    return collected


for each in workflow.rules:
    if "code" in each.params.keys():
        each.set_params(made_from=made_from(each))


def declared(path):
    """Whether Snakemake knows this file as an output: it then makes it again as soon as a job needs it."""
    return any(output.match(path) for each in workflow.rules for output in each.output)


def force_altered():
    """Have Snakemake make again what is not as its stage left it; the command line says that with --forcerun."""
    contracts = [*shard_contracts(), *of_runs("results/datasets/{dataset}/tensors/{widths}/contract.json")]
    found = alterations([*of_records(), *contracts, "results/report/record.json"], DIGESTS)
    ALTERED.update({each.listing: each.file for each in found if not (each.missing and declared(each.file))})
    workflow.dag.forcefiles.update(ALTERED)


ALTERED = {}  # the record of a result → the file that is not as it says

# There is no hook between reading the rules and planning the jobs. A job of a cluster plans nothing.
if workflow.is_main_process:
    plan = workflow._build_dag
    workflow._build_dag = lambda: (force_altered(), plan())
