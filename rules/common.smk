# The only place that reads config: checks, names, lookups for the rules, digests. No rules here.

import atexit
import json
import re
import subprocess
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod
from snakemake.utils import validate

ROOT = Path(workflow.basedir)
STAGES = ROOT / "workflow"
sys.path.insert(0, str(STAGES))

from engine.alive import declare_alive
from engine.config import (
    QUANTISED,
    SOURCES,
    ConfigError,
    check_files,
    check_precisions,
    check_references,
    check_schema,
    drop_nulls,
    planned_widths,
    trained_weights,
)
from engine.contents import Digests, alterations
from engine.digest import Modules
from engine.environment import installed_versions, pinned_versions, probed_versions
from engine.interpreter import offer_own_interpreter
from engine.targets import (
    DEVICES,
    compiles_shapes,
    declared_targets,
    makes_precisions,
    occupied_cards,
    occupied_device,
    offered_precisions,
    takes_weights,
)

offer_own_interpreter()

if workflow.is_main_process:
    ALIVE = declare_alive(Path(".snakemake"))

# --- config ------------------------------------------------------------------


TARGETS = STAGES / "crnn" / "targets"
RUNTIMES = declared_targets(TARGETS)  # name → files it builds
PRECISIONS = {name: offered_precisions(TARGETS / f"{name}.py") for name in RUNTIMES}  # name → precision → form of file
FROM_WEIGHTS = [name for name in RUNTIMES if takes_weights(TARGETS / f"{name}.py")]
SHAPED = [name for name in RUNTIMES if compiles_shapes(TARGETS / f"{name}.py")]


def checked(config):
    schema = ROOT / "config" / "schema.yaml"
    config = drop_nulls(config)
    try:
        check_schema(config, yaml.safe_load(schema.read_text()))
        validate(config, str(schema))  # fills in the defaults
        check_references(config, list(RUNTIMES), FROM_WEIGHTS)
        check_precisions(config, PRECISIONS)
        check_files(config, ROOT)
    except ConfigError as error:
        raise WorkflowError(str(error)) from None
    return config


config = checked(config)

DATASETS, MODELS = config["datasets"], config["models"]
WIDTHS, DEPLOYMENTS = config["widths"], config["deployments"]
SHARDED = [name for name, entry in DATASETS.items() if "shard_words" in entry]
WHOLE = [name for name in DATASETS if name not in SHARDED]
RECIPES = config["training"]
PLANNED = list(planned_widths(config))


def one_of(names):
    """Wildcard constraint: exactly these names; nothing matches where there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def datasets_from(source):
    """Names of the datasets that come from `source`; an lmdb beside another source is used instead of it."""
    return [name for name, entry in DATASETS.items() if source == next(key for key in SOURCES if key in entry)]


def deployments_with(key):
    return [name for name, entry in DEPLOYMENTS.items() if key in entry]


def deployments_on(runtime):
    return [name for name, entry in DEPLOYMENTS.items() if entry["runtime"] == runtime]


wildcard_constraints:
    dataset=one_of(DATASETS),
    model=one_of(MODELS),
    widths=one_of(WIDTHS),
    deployment=one_of(DEPLOYMENTS),
    shard=r"\d+-\d+",
    recipe=one_of(RECIPES),
    repaired=one_of(["fixed", *(f"fixed.for-{name}" for name in deployments_with("surgery"))]),


# --- what a rule's params carry ----------------------------------------------
# Settings as canonical JSON: a change is seen whatever its place, and an equal config is equal. What takes `input` or
# `output` is kept out of Snakemake's comparison: moving the repository reruns nothing. staleness.smk joins the rest.


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def stage(name):
    return lambda wildcards, output: str(STAGES / f"{name}.py")


MODULES = Modules(STAGES, store=Path(".snakemake/modules.json"))
atexit.register(MODULES.save)


def code(name, *more):
    """Digests of a stage's modules."""
    return canonical(MODULES.digests(f"{name}.py", *more))


def runtime_code(name):
    """Digests of a stage that loads a deployment's runtime by name, which no import statement shows."""
    return lambda wildcards: code(name, f"crnn/targets/{deployment(wildcards)['runtime']}.py")


DIGESTS = Digests(Path(".snakemake/contents.json"), limit=100 * 10**9)  # bytes, as in profiles/default
atexit.register(DIGESTS.save)


def contents(*inputs):
    """Digests of what comes from outside: Snakemake looks neither into a folder nor at a file older than the outputs."""

    def digests(wildcards):
        named = [each(wildcards) if callable(each) else each for each in inputs]
        paths = [path for each in named for path in ([each] if isinstance(each, str) else each)]
        return canonical({path: DIGESTS.of(Path(path)) for path in paths})

    return digests


# --- what a rule's resources carry -------------------------------------------
# How often a job is tried again is for a profile to say (retries); here is what a further attempt asks for.


def grows(amount):
    """A resource of which every further attempt gets more: a cluster ends the job that exceeds it."""
    return lambda wildcards, attempt: amount * attempt


def one_card(wildcards, threads):
    return 1


def cards_of_run(wildcards, threads):
    """Cards that a job of a deployment spreads its calls over."""
    entry = deployment(wildcards)
    return occupied_cards(entry["options"], entry.get("lanes", threads))


def device_resources(occupied, cards=one_card):
    """The resources of a job that occupies the device which `occupied` names; none where it is the processor.

    npu=1 is what --resources npu=… limits; gres="npu:1" is the same as Slurm is asked for it.
    """

    def count(device):
        return lambda wildcards, threads: cards(wildcards, threads) if occupied(wildcards) == device else None

    def gres(wildcards, threads):
        return f"{occupied(wildcards)}:{cards(wildcards, threads)}" if occupied(wildcards) else None

    return {"gres": gres, **{device: count(device) for device in DEVICES}}


def declared_device(declaration):
    """The device of a deployment's job, by what its runtime's module declares."""
    devices = {runtime: occupied_device(TARGETS / f"{runtime}.py", declaration) for runtime in RUNTIMES}
    return lambda wildcards: devices[deployment(wildcards)["runtime"]]


ON_DEVICE = device_resources(declared_device("DEVICE"), cards_of_run)
BUILT_ON_DEVICE = device_resources(declared_device("BUILD_DEVICE"))
TRAINED_ON_DEVICE = device_resources(lambda w: "gpu" if RECIPES[w.recipe]["device"] == "cuda" else None)


# Limits of one machine: a scheduler that has more of them is not kept waiting.
resource_scopes:
    **dict.fromkeys(DEVICES, "local"),


def check_toolchains(jobs):
    """Raise WorkflowError naming every deployment whose toolchain a job needs and this machine lacks.

    Jobs that another machine or an env of conda's will run are left to say so themselves.
    """
    if not workflow.local_exec or DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
        return
    asked = {
        (not job.rule.name.startswith("build_"), job.wildcards.deployment, job.params.runtime, job.params.options)
        for job in jobs
        if {"runtime", "options"} <= set(job.params.keys())
    }
    questions = [
        {"deployment": name, "runtime": runtime, "options": json.loads(options), "building": not running}
        for running, name, runtime, options in sorted(asked)
    ]
    if questions:
        command = [sys.executable, str(STAGES / "check_toolchains.py"), "--asked", canonical(questions)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise WorkflowError(done.stderr.removeprefix("error: ").strip())


# --- lookups by wildcards ----------------------------------------------------


def deployment(wildcards):
    return DEPLOYMENTS[wildcards.deployment]


def shipped(path):
    """A path of the user's, or else of this repository. Relative where it can be: moving both reruns nothing."""
    return path if Path(path).exists() else str(ROOT / path)


def width_settings(wildcards):
    """The width rule of a {widths} wildcard, or of a deployment; of a planned one, the plan."""
    name = wildcards.get("widths") or deployment(wildcards)["widths"]
    return plan_of(name) if name in PLANNED else canonical(WIDTHS[name])


def iiit5k_archive(wildcards):
    """The archive that the config names, or the one that download_iiit5k fetches."""
    downloaded = f"results/datasets/{wildcards.dataset}/IIIT5K-Word_V3.0.tar.gz"
    return DATASETS[wildcards.dataset]["iiit5k"].get("archive", downloaded)


def told_options(entry):
    """A deployment's options; for a runtime that makes precisions by itself also which."""
    told = {"precision": entry["precision"]} if makes_precisions(PRECISIONS[entry["runtime"]]) else {}
    return entry["options"] | told


def runtime_options(wildcards):
    return canonical(told_options(deployment(wildcards)))


def lanes(wildcards):
    """How many calls at a time a deployment asks for; without it the stage decides by its cores."""
    entry = deployment(wildcards)
    return [f"--lanes={entry['lanes']}"] if "lanes" in entry else []


def build_options(wildcards):
    """A deployment's options; for a runtime that compiles shapes also the batch and the width rule that ask for them."""
    entry = deployment(wildcards)
    shapes = {"width_rule": WIDTHS[entry["widths"]]}
    if entry["widths"] not in PLANNED:  # for those, the plan says how many words go into a call
        shapes["batch"] = entry["batch"]
    return canonical(told_options(entry) | (shapes if entry["runtime"] in SHAPED else {}))


def runtime_env(wildcards):
    return str(ROOT / "envs" / f"{deployment(wildcards)['runtime']}.yaml")


def charset(wildcards):
    return MODELS[wildcards.model]["charset"]


def checkpoint(wildcards):
    """The weights that a model names: the user's, those that a recipe makes (rules/train.smk), or the shipped ones."""
    path = MODELS[wildcards.model]["checkpoint"]
    return path if path in map(trained_weights, RECIPES) else shipped(path)


def network_of(entry):
    """The sizes of the network that an entry of models or training describes."""
    sizes = {
        "channels": entry["channels"],
        "hidden": entry["hidden"],
        "classes": len(entry["charset"]) + 1,
    }
    return canonical(sizes)


def network(wildcards):
    return network_of(MODELS[wildcards.model])


def run_identity(wildcards):
    """What identifies a run's row in the report."""
    entry = deployment(wildcards)
    return canonical(
        {
            **wildcards,
            **{key: entry[key] for key in ("widths", "runtime", "source", "precision")},
        }
    )


LABELS = canonical(config["labels"])
FONTS = [shipped(f"resources/fonts/{path.name}") for path in sorted((ROOT / "resources/fonts").glob("*.[to]tf"))]
REPORT_ASSETS = sorted(
    path.relative_to(STAGES).as_posix()
    for path in (STAGES / "crnn" / "report").glob("*")
    if path.suffix in {".j2", ".js"}
)


def all_cores(wildcards):
    """The cores that this run was given. A function, so that commands without --cores (--unlock) work."""
    return workflow.resource_settings.cores or 1


def build_files(wildcards):
    """What the build of a run's deployment leaves."""
    folder = f"results/builds/{wildcards.model}/{wildcards.deployment}"
    return [f"{folder}/{file}" for file in RUNTIMES[deployment(wildcards)["runtime"]]]


def tensors_of(name):
    """Input function: a file of the tensors that a deployment reads."""
    return lambda wildcards: f"results/datasets/{wildcards.dataset}/tensors/{deployment(wildcards)['widths']}/{name}"


def form_of(entry):
    """The form of the model file that a deployment's precision is made from; fp32 is the file as it is."""
    return PRECISIONS[entry["runtime"]][entry["precision"]]


def of_widths(form, widths):
    """What the name of a model file says of the width rule: a quantised one is calibrated for it."""
    return f"-{widths}" if form in QUANTISED else ""


def repaired_of(name):
    """Name of the repaired graph that a deployment starts from."""
    return f"fixed.for-{name}" if "surgery" in DEPLOYMENTS[name] else "fixed"


def widths_to_check(wildcards):
    """Name of the widths at which a form that is made for all of them reads the calibration words."""
    users = [entry["widths"] for entry in DEPLOYMENTS.values() if form_of(entry) == wildcards.form]
    return next(name for name in [*users, *WIDTHS] if name not in PLANNED)


def source_of(wildcards):
    """The model file that a deployment's build starts from."""
    names = {
        "checkpoint": "weights.safetensors",
        "raw": "raw.onnx",
        "fixed": "fixed.onnx",
    }
    form = form_of(deployment(wildcards))
    if form != "fp32":
        widths = of_widths(form, deployment(wildcards)["widths"])
        return f"results/models/{wildcards.model}/{repaired_of(wildcards.deployment)}.{form}{widths}.onnx"
    if "surgery" in deployment(wildcards):
        return f"results/models/{wildcards.model}/{repaired_of(wildcards.deployment)}.onnx"
    return f"results/models/{wildcards.model}/{names[deployment(wildcards)['source']]}"


def reference_folder(wildcards):
    """Where the stages before a deployment's build left what they read of a dataset."""
    return f"results/references/{wildcards.dataset}/{wildcards.model}/{deployment(wildcards)['widths']}"


def references_of(wildcards):
    """Predictions of the stages between the reference and a deployment's build, in order."""
    stages = {
        "checkpoint": ["torch"],
        "raw": ["torch", "raw"],
        "fixed": ["torch", "raw", "fixed"],
    }[deployment(wildcards)["source"]]
    form, own = form_of(deployment(wildcards)), repaired_of(wildcards.deployment).removeprefix("fixed")
    converted = [f"{form}{own}"] if form != "fp32" else []
    return [f"{reference_folder(wildcards)}/{stage}.parquet" for stage in [*stages, *converted]]


# --- planned buckets ---------------------------------------------------------


def plan_of(name):
    """The plan of a planned width rule."""
    entry = WIDTHS[name]
    return f"results/plans/{entry.get('model', next(iter(MODELS)))}/{entry['deployment']}/{name}/plan.json"


def bucket_plan(wildcards):
    """The plan that the tensors of a job follow; none where their widths are not planned."""
    name = wildcards.get("widths") or deployment(wildcards)["widths"]
    return [plan_of(name)] if name in PLANNED else []


def compiled_plan(wildcards):
    """The plan that a build is compiled for; none where it takes any shape."""
    return bucket_plan(wildcards) if deployment(wildcards)["runtime"] in SHAPED else []


def batch_sizes(wildcards):
    """Most words in a call of a deployment; where its widths are planned, the plan, which says it of every width."""
    return next(iter(bucket_plan(wildcards)), deployment(wildcards)["batch"])


def counted_samples(wildcards):
    """The words that a plan is made for: of every dataset that it names, with the sizes of their images."""
    widths = deployment(wildcards)["widths"]
    counted = WIDTHS[wildcards.widths].get("datasets", DATASETS)
    return [f"results/datasets/{dataset}/tensors/{widths}/samples.parquet" for dataset in counted]


def plan_bounds(wildcards):
    """What of a planned width rule bounds the plan (crnn.plan)."""
    names = ("stretch", "step", "min", "max", "buckets", "distortion", "batch", "accuracy_drop")
    entry = WIDTHS[wildcards.widths]
    return canonical({name: entry[name] for name in names if name in entry})


def plan_interpolation(wildcards):
    entry = WIDTHS[wildcards.widths]
    return [f"--interpolation={entry['interpolation']}"] if "interpolation" in entry else []


def own_tuning_words(wildcards):
    """The words that the config names for tuning; none where they are rendered."""
    return [f"{config['planning']['lmdb']}/data.mdb"] if "lmdb" in config["planning"] else []


def tuning_words(wildcards):
    return next(iter(own_tuning_words(wildcards)), "results/plans/words.lmdb/data.mdb")


# --- datasets in shards ------------------------------------------------------


PLAN = "results/datasets/{dataset}/shards.json"


def planned_shards(wildcards):
    """Shard → digest of its words, in the order of the words; nothing before plan_shards has counted them."""
    plan = Path(PLAN.format(**wildcards))
    return json.loads(plan.read_text())["shards"] if plan.exists() else {}


def of_shards(pattern):
    """Input function: `pattern` filled in for every shard, known once plan_shards has run."""

    def files(wildcards):
        checkpoints.plan_shards.get(dataset=wildcards.dataset)
        return [pattern.format(shard=shard, **wildcards) for shard in planned_shards(wildcards)]

    return files


# --- training ----------------------------------------------------------------


def lexicons(wildcards):
    return list(map(shipped, RECIPES[wildcards.recipe]["lexicons"]))


def starting_weights(wildcards):
    """The checkpoint that a recipe goes on from; none where it starts from random weights."""
    start = RECIPES[wildcards.recipe].get("start")
    return [shipped(start)] if start else []


def watched_words(wildcards):
    """The real words that a recipe is validated on besides the rendered ones; none where it names no LMDB."""
    lmdb = RECIPES[wildcards.recipe]["validation"].get("lmdb")
    return [f"{lmdb}/data.mdb"] if lmdb else []


def training_settings(wildcards):
    """What of a recipe decides the weights (crnn.train.recipe)."""
    entry = RECIPES[wildcards.recipe]
    names = ("seed", "words", "batch", "learning_rate", "warmup", "weight_decay", "clip", "average", "jitter")
    by_the_clock = {name: entry[name] for name in ("minutes", "shelf") if "minutes" in entry}
    every = {"validate_words": entry["validation"]["every"]}
    return canonical({**{name: entry[name] for name in names}, **by_the_clock, **every})


def running_options(wildcards, output):
    """What of a recipe decides how it runs and not what it learns; `output` keeps it out of the comparison."""
    entry = RECIPES[wildcards.recipe]
    options = [f"--device={entry['device']}", f"--save-seconds={entry['save_seconds']}"]
    return [*options, f"--processes={entry['processes']}"] if "processes" in entry else options


# --- the report --------------------------------------------------------------

RUNS = [
    {"dataset": dataset, "model": model, "deployment": name, "widths": entry["widths"]}
    for dataset in DATASETS
    for model in MODELS
    for name, entry in DEPLOYMENTS.items()
    if "skip" not in entry
]

SKIPPED = [
    {"deployment": name, "reason": entry["skip"]} | {key: entry[key] for key in ("widths", "runtime", "precision")}
    for name, entry in DEPLOYMENTS.items()
    if "skip" in entry
]


def of_runs(pattern):
    """`pattern` filled in for every run of the config, each file once."""
    return list(dict.fromkeys(pattern.format(**run) for run in RUNS))


def errors_of_recipe(wildcards):
    """Analyses of the runs whose model names the checkpoint of this recipe."""
    made = trained_weights(wildcards.recipe)
    users = [run for run in RUNS if MODELS[run["model"]]["checkpoint"] == made]
    return ["results/runs/{dataset}/{model}/{deployment}/errors.json".format(**run) for run in users]


def own_surgery_of(file):
    """`file` of every deployment that has passes of its own, of each model."""
    own = [run for run in RUNS if run["deployment"] in deployments_with("surgery")]
    return list(dict.fromkeys(f"results/models/{{model}}/{file}".format(**run) for run in own))


def of_precisions(pattern):
    """`pattern` filled in for every model file of another form than fp32, each once."""
    made = [run | {"form": form_of(DEPLOYMENTS[run["deployment"]])} for run in RUNS]
    files = [
        pattern.format(repaired=repaired_of(run["deployment"]), of_widths=of_widths(run["form"], run["widths"]), **run)
        for run in made
        if run["form"] != "fp32"
    ]
    return list(dict.fromkeys(files))


def of_calibrations(pattern):
    """`pattern` filled in for every calibration, each once."""
    forms = [(run, form_of(DEPLOYMENTS[run["deployment"]])) for run in RUNS]
    made = [
        pattern.format(repaired=repaired_of(run["deployment"]), form=form, **run)
        for run, form in forms
        if form in QUANTISED
    ]
    return list(dict.fromkeys(made))


def shard_contracts():
    """The contracts of the tensors of all shards that are planned so far."""
    pattern = "results/datasets/{dataset}/tensors/{widths}/shards/{shard}/contract.json"
    split = {(run["dataset"], run["widths"]) for run in RUNS if run["dataset"] in SHARDED}
    return [
        pattern.format(dataset=dataset, widths=widths, shard=shard)
        for dataset, widths in sorted(split)
        for shard in planned_shards({"dataset": dataset})
    ]


def previous_report():
    """The earlier report that the config names: its rows and what was read; none where it names none."""
    named = config["report"].get("previous")
    return [named, str(Path(named).with_name("readings.parquet"))] if named else []


def named_previous(wildcards):
    """The earlier report, for the rules that cannot do without one."""
    if not previous_report():
        raise WorkflowError("report.previous is not set; name the report.json of the report to compare with")
    return previous_report()


def training_logs():
    """Model → the log of the run that made its checkpoint, where one lies beside it or a recipe makes it."""
    checkpoints = {model: entry["checkpoint"] for model, entry in MODELS.items()}
    made = {trained_weights(recipe) for recipe in RECIPES}
    logs = {
        model: str(Path(path if path in made else shipped(path)).with_name("log.jsonl"))
        for model, path in checkpoints.items()
    }
    return {model: log for model, log in logs.items() if checkpoints[model] in made or Path(log).is_file()}


def report_inputs():
    """What make_report.py is told: the files of every run, the records, the budgets."""
    files = {
        "run": "results/runs/{dataset}/{model}/{deployment}/run.json",
        "audit": "results/runs/{dataset}/{model}/{deployment}/audit.json",
        "flips": "results/runs/{dataset}/{model}/{deployment}/audit.parquet",
        "predictions": "results/runs/{dataset}/{model}/{deployment}/predictions.parquet",
        "timings": "results/runs/{dataset}/{model}/{deployment}/timings.parquet",
        "samples": "results/datasets/{dataset}/tensors/{widths}/samples.parquet",
        "words": "results/datasets/{dataset}/words.lmdb",
    }
    names = ("dataset", "model", "deployment")
    runs = [
        {name: run[name] for name in names} | {key: pattern.format(**run) for key, pattern in files.items()}
        for run in RUNS
    ]
    return {
        "runs": runs,
        "records": of_records(),
        "budgets": config["budgets"],
        "skipped": SKIPPED,
        "drawings": [{**plan, "svg": picture} for picture, plan in plan_pictures().items()],
        "training": [{"model": model, "log": log} for model, log in training_logs().items()],
        **config["report"],
    }


def plan_pictures():
    """The picture of every plan that a deployment uses → what the page says of it."""
    used = [name for name in PLANNED if any(run["widths"] == name for run in RUNS)]
    return {
        plan_of(name).replace("plan.json", "plan.svg"): {
            "title": f"Buckets of {name}",
            "caption": "How many words have which width, and the planned widths with their cost per word",
        }
        for name in used
    }


def of_records():
    """Records of every stage of the config, in the order of the work."""
    patterns = [
        "results/datasets/{dataset}/words.json",
        "results/datasets/{dataset}/tensors/{widths}/tensors.json",
        "results/models/{model}/weights.json",
        "results/models/{model}/raw.json",
        "results/models/{model}/fixed.json",
        "results/references/{dataset}/{model}/{widths}/torch.json",
        "results/references/{dataset}/{model}/{widths}/words.json",
        "results/builds/{model}/{deployment}/build.json",
        "results/runs/{dataset}/{model}/{deployment}/predictions.json",
        "results/runs/{dataset}/{model}/{deployment}/timings.json",
    ]
    own_surgery = own_surgery_of("fixed.for-{deployment}.json")
    precisions = [
        *of_calibrations("results/models/{model}/{repaired}.calibration-{form}-{widths}.record.json"),
        *of_precisions("results/models/{model}/{repaired}.{form}{of_widths}.json"),
    ]
    made = [record for pattern in patterns for record in of_runs(pattern)]
    return [*made, *own_surgery, *precisions, *plan_records()]


def plan_records():
    """Records of the plans that deployments use, and of the costs that they were made from."""
    plans = [Path(plan_of(name)).parent for name in PLANNED if any(run["widths"] == name for run in RUNS)]
    costs = dict.fromkeys(f"{plan.parent}/costs.json" for plan in plans)
    return [*costs, *(f"{plan}/record.json" for plan in plans)]
