# What the files beside this one share: the checked config as `layout`, and what params and resources carry.

import atexit
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod
from snakemake.utils import validate

ROOT = Path(workflow.current_basedir).parent  # of this workflow, also where another one imports it
STAGES = ROOT / "workflow"
RESULTS, LOGS = workflow.pathvars.get("results"), workflow.pathvars.get("logs")
sys.path.insert(0, str(STAGES))

from crnn.data.widths import OF_PIXELS
from crnn.model.precision import QUANTISED, VARIANTS
from crnn.report.check import CheckedRow, write_check
from crnn.runtimes.registry import known_runtimes
from engine.cascades import CascadeLayout, with_cascades
from engine.check import installed, progress, rows_to_check, with_check
from engine.code_digest import Modules
from engine.config import ConfigError, check_encoding, check_meaning, check_schema, drop_nulls, picked, with_plain_paths
from engine.evaluations import with_evaluations
from engine.file_digest import Digests
from engine.layout import CALIBRATION, GOLDEN, TUNING, Layout, canonical
from engine.makers import Makers
from engine.resources import DEVICES, needs, occupies
from engine.rows import Run
from engine.store import Store
from engine.yaml_faults import yaml_faults
from stage import stage_files

# The shell of a job, on a cluster too, knows the stages as `crnn make_tensors …`: in the Python of Snakemake, also where
# nobody activated its environment; conda activates the rule's env later, which then comes first.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]))
shell.prefix(f"crnn() {{{{ python {shlex.quote(str(STAGES / 'stage.py'))} \"$@\"; }}}}; ")
BY_CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method


def checked(config):
    """The config with its defaults. Raises WorkflowError listing every fault."""
    config, schema = with_plain_paths(drop_nulls(config)), ROOT / "config/schema.yaml"
    try:
        if faults := list(yaml_faults(filter(Path.is_file, map(Path, workflow.configfiles)))):
            raise ConfigError(faults)
        check_schema(config, yaml.load(schema.read_text(encoding="utf-8"), yaml.CSafeLoader))
        validate(config, str(schema))  # fills in the defaults
        config = with_cascades(with_evaluations(with_check(config)))
        check_encoding(config, sys.getfilesystemencoding())
        check_meaning(config, known_runtimes(), ROOT, RESULTS)
    except ConfigError as error:
        raise WorkflowError(str(error)) from None
    return config


config = checked(config)
layout = Layout(config, known_runtimes(), ROOT, RESULTS)
cascades = CascadeLayout(layout)


def one_of(names):
    """Wildcard constraint: exactly these names; nothing matches where there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


run_of = lambda w: Run(w.dataset, w.model, w.deployment)
runtime_env = lambda w: str(ROOT / f"envs/{reader_of(w).runtime.name}.yaml")


def reader_of(wildcards):
    """What reads words in a job: a stage of a model, or a deployment's build."""
    name = wildcards.get("reader", wildcards.get("deployment"))
    widths = wildcards.widths if "reader" in wildcards.keys() else layout.deployments[name].widths
    return layout.reader(wildcards.model, widths, name)


def parents_of(name):
    """The folders of the input files of a name, in order."""
    return lambda wildcards, input: [str(Path(file).parent) for file in input[name]]


# --- what a rule's params carry ----------------------------------------------
# Snakemake compares params as texts and says which are new: so every option, module and tool is a text of its own.


def option(name, value):
    """The option --name=value of a stage; `value` is a setting or a function of wildcards. None where it is None."""

    def told(wildcards):
        found = value(wildcards) if callable(value) else value
        return [] if found is None else f"--{name}={found if isinstance(found, str) else canonical(found)}"

    return told


# Of the session that a job opens, and of the tensors that it reads.
SESSION = {
    "runtime": option("runtime", lambda w: reader_of(w).runtime.name),
    "options": option("options", lambda w: reader_of(w).options),
    "calls": option("calls", lambda w: reader_of(w).calls),
}
WIDTHS = option("widths", lambda w: layout.width_rule(w.get("widths") or layout.deployments[w.deployment].widths))
LABELS = option("labels", config["labels"])

CODE, CONTENTS = Store(Path(".snakemake/code.json")), Store(Path(".snakemake/contents.json"))
atexit.register(lambda: (CODE.save(), CONTENTS.save()))
MAKERS = Makers(Modules(STAGES, CODE), stage_files(), layout.runtimes_in_use, ROOT / "envs" if BY_CONDA else None)
DIGESTS = Digests(CONTENTS, limit=100 * 10**9)  # bytes, as in profiles/default


def made_by_runtime(stage, files=lambda runtime: ()):
    """The makers of a stage that runs on the job's runtime, and of the files that it reads there besides modules."""
    return MAKERS.params_on(stage, lambda wildcards: reader_of(wildcards).runtime.name, files)


def held(*paths):
    """Digests of what comes from outside: Snakemake sees neither into a folder nor a file older than the outputs."""
    return lambda wildcards: DIGESTS.texts(flatten(path(wildcards) if callable(path) else path for path in paths))


# --- what a rule's resources carry -------------------------------------------


def all_cores(wildcards):
    """The cores that this run was given. A function, so that commands without --cores (--unlock) work."""
    return workflow.resource_settings.cores or 1


ON_DEVICE = occupies(lambda w: reader_of(w).runtime.device, lambda w, threads: reader_of(w).devices(threads))


# Limits of one machine: a scheduler that has more of them is not kept waiting.
resource_scopes:
    **dict.fromkeys(DEVICES, "local"),


wildcard_constraints:
    dataset=one_of(layout.datasets),
    model=one_of(config["models"]),
    widths=one_of(config["widths"]),
    deployment=one_of(layout.deployments),
    part=r"\d+",
    training=one_of(config["training"]),
    repaired=one_of({"fixed", *(entry.repaired for entry in layout.deployments.values())}),
