"""A change reruns what depends on it and nothing else, and Snakemake's own reason names what changed.

One run of a small workflow, in a clone of this repository; then, for each row of the table, a copy of clone and
results, the change, and a dry run that must plan exactly the jobs of the row and print its reason. That nothing else
runs also says that a checkout may be moved with its results. At the end two of the changes are run for real.

A row of each kind of cause is among the quick tests; the others are slow.
"""

import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from checkout import Checkout, new_checkout
from examples import png, scribble
from workspace import write_small_checkpoint

pytestmark = pytest.mark.dag

Change = Callable[[Checkout], Any]

DATASETS = 3  # sample, lmdb, images; one model, one deployment, one width rule
NEW = "Missing output files"
OTHER_INPUTS = "Set of input files has changed"

# --- what follows from what: jobs of a dataset, a word behind the rule's name tells two of one rule apart ---

AUDITED = {"audit_run"}
SCORED = {"score_run"}
TIMED = {"time_words"} | SCORED
CHECKED = {"check_batching"} | SCORED
READ = {"predict ort"} | CHECKED | AUDITED
REFERRED = {"predict torch"} | AUDITED
PROVED = {"predict_surgery"} | AUDITED
RUN = READ | TIMED
PREPARED = {"make_tensors"} | REFERRED | PROVED | RUN
FIXED = PROVED | RUN
IMPORTED = REFERRED | FIXED
END = {"make_report", "check_budgets"}
BUILT = {"build_onnxruntime"} | END
REPAIRED = {"fix_onnx"} | BUILT
EXPORTED = {"export_onnx"} | REPAIRED


@dataclass(frozen=True)
class Row:
    """A change, the jobs that it makes: once, and for each of some datasets; and what the reason must name."""

    change: Change
    once: set[str]
    each: set[str]
    reason: str
    datasets: int = DATASETS

    @property
    def jobs(self) -> dict[str, int]:
        rules = Counter(job.partition(" ")[0] for job in self.once)
        for job in self.each:
            rules[job.partition(" ")[0]] += self.datasets
        return dict(rules)


# --- changes -----------------------------------------------------------------------------------------------


def config(key: str, value: Any) -> Change:
    return lambda clone: clone.set(key, value)


def edit(file: str, old: str, new: str) -> Change:
    return lambda clone: clone.edit(file, old, new)


def statement(module: str) -> Change:
    """A line that does something, at the end of a module."""
    return lambda clone: clone.append(f"workflow/{module}", "\nEDITED = True\n")


def upgrade(distribution: str) -> Change:
    """Another version of an installed package, by what importlib.metadata finds first."""

    def install(clone: Checkout) -> None:
        folder = clone.path / "upgrades" / f"{distribution.replace('-', '_')}-99.0.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 99.0\n")

    return install


def touch_everything(clone: Checkout) -> None:
    for path in clone.path.rglob("*"):
        if path.is_file() and ".snakemake" not in path.parts:
            os.utime(path)


def comment_in_config(clone: Checkout) -> None:
    clone.append("config/config.yaml", "\n# a comment\n")
    clone.edit("config/schema.yaml", "description: Heading of the page.", "description: The heading.")


def defaults_written_out(clone: Checkout) -> None:
    clone.config["deployments"] |= {"ort": {"widths": "aspect", "batch": 16, "runtime": "onnxruntime"}}
    clone.config["datasets"] = dict(reversed(clone.config["datasets"].items()))
    clone.config["datasets"] = dict(reversed(clone.config["datasets"].items()))
    clone.set("labels.case", "lower")


def older_checkpoint(clone: Checkout) -> None:
    """As `cp -p` of a checkpoint that is older than the results."""
    write_small_checkpoint(clone.path / "other.safetensors", seed=6)
    os.utime(clone.path / "other.safetensors", (1_500_000_000, 1_500_000_000))
    (clone.path / "other.safetensors").replace(clone.path / "data" / "small.safetensors")


def same_checkpoint_again(clone: Checkout) -> None:
    write_small_checkpoint(clone.path / "data" / "small.safetensors", seed=5)


def another_picture(clone: Checkout) -> None:
    """Written in place: the time of the folder stays."""
    path = clone.path / "data" / "images" / "two.png"
    status = path.stat()
    path.write_bytes(png(scribble(80, 30, seed=9)))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def another_checkpoint(clone: Checkout) -> None:
    write_small_checkpoint(clone.path / "data/other.safetensors", seed=6)
    clone.set("models.crnn.checkpoint", "data/other.safetensors")


def planned_widths(clone: Checkout) -> None:
    clone.set("widths.planned", {"rule": "planned", "deployment": "ort"})
    clone.set("deployments.planned", {"runtime": "onnxruntime", "widths": "planned"})


def unlink(file: str) -> Change:
    return lambda clone: (clone.path / file).unlink()


def deployment(name: str, **entry: Any) -> Change:
    return config(f"deployments.{name}", {"runtime": "onnxruntime", "widths": "aspect", **entry})


NOTHING: dict[str, Change] = {
    "nothing": lambda clone: None,
    "every file touched": touch_everything,
    "a comment in the config and a description in its schema": comment_in_config,
    "values written out that are the defaults": defaults_written_out,
    "a width rule that no deployment uses": config("widths.spare", {"rule": "fixed", "width": 64}),
    "planned widths that no deployment uses": config("widths.spare", {"rule": "planned", "deployment": "ort"}),
    "words of a calibration that no deployment needs": config("calibration.words", 5),
    "a comment in a stage": edit("workflow/stages/data/make_tensors.py", "def main", "# a comment\ndef main"),
    "a docstring in the library": edit("workflow/crnn/data/preprocess.py", '"""From an', '"""Out of an'),
    "a module that nothing imports": lambda clone: (clone.path / "workflow/crnn/new.py").write_text("NEW = 1\n"),
    "memory and message of a rule": lambda clone: (
        clone.edit("rules/tensors.smk", "mb=4000", "mb=5000"),
        clone.edit("rules/tensors.smk", "Preparing part", "Making part"),
    ),
    "a comment in the rules": edit("rules/model.smk", "rule export_onnx", "# a comment\nrule export_onnx"),
    "an env file, where conda does not make the envs": edit("envs/torch.yaml", "onnx=1.", "onnx=99."),
    "another version of the progress bar": upgrade("tqdm"),
    "another version of what no stage imports": upgrade("hypothesis"),
    "the LMDB rewritten with its bytes": lambda clone: clone.rewrite("data/lmdb/data.mdb"),
    "the checkpoint saved again": same_checkpoint_again,
    "the folder of images touched": lambda clone: os.utime(clone.path / "data" / "images"),
    "an intermediate rewritten with its bytes": lambda clone: clone.rewrite("results/models/crnn/raw.onnx"),
    "an intermediate deleted that nothing waits for": unlink("results/models/crnn/raw.onnx"),
    "a log deleted": unlink("logs/fix_onnx/crnn.log"),
}

CONFIG: dict[str, Row] = {
    "sample.words": Row(config("datasets.sample.sample.words", 5), {"render_words"} | END, PREPARED, "--words=5", 1),
    "sample: words and seed change places": Row(
        config("datasets.sample.sample", {"words": 3, "seed": 4}),
        {"render_words"} | END,
        PREPARED,
        "--seed=4",
        1,
    ),
    "images.form": Row(
        config("datasets.images.images.form", "csv"), {"import_images"} | END, PREPARED, "--form=csv", 1
    ),
    "parts": Row(
        config("datasets.lmdb.parts", 2),
        END | CHECKED | TIMED | AUDITED,  # of the whole dataset
        {"make_tensors", "predict torch", "predict_surgery", "predict ort"},  # of each part
        "--part=1/2",
        2,
    ),
    "checkpoint": Row(another_checkpoint, {"import_checkpoint"} | EXPORTED, IMPORTED, "data/other.safetensors"),
    "layout": Row(
        config("models.crnn.layout", "shi"),
        {"import_checkpoint"} | EXPORTED,
        IMPORTED,
        "--layout=shi",
    ),
    "gate_order": Row(
        config("models.crnn.gate_order", "ifgo"), {"import_checkpoint"} | EXPORTED, IMPORTED, "--gate-order=ifgo"
    ),
    "blank": Row(config("models.crnn.blank", "last"), {"import_checkpoint"} | EXPORTED, IMPORTED, "--blank=last"),
    "activation": Row(
        config("models.crnn.activation", "leaky-relu"),
        {"import_checkpoint"} | EXPORTED,
        IMPORTED,
        '"activation":"leaky-relu"',
    ),
    "charset": Row(
        config("models.crnn.charset", "0123456789abcdefghijklmnopqrstuvwxyzé"),
        {"import_checkpoint"} | EXPORTED,
        IMPORTED,
        '--charset="0123456789abcdefghijklmnopqrstuvwxyzé"',
    ),
    "opset": Row(config("models.crnn.opset", 12), EXPORTED, FIXED, "now: '--opset=12'"),
    "surgery": Row(
        config("models.crnn.surgery", [{"pass": "fold_constants"}]),
        REPAIRED,
        FIXED,
        '--surgery=[{"pass":"fold_constants","required":false}]',
    ),
    "widths.max": Row(config("widths.aspect.max", 320), END, PREPARED, '"max":320'),
    "widths.interpolation": Row(
        config("widths.aspect.interpolation", "opencv-cubic"), END, PREPARED, '"interpolation":"opencv-cubic"'
    ),
    "labels.case": Row(config("labels.case", "keep"), END, PREPARED, '--labels={"case":"keep"'),
    "deployment.options": Row(
        config("deployments.ort.options", {"graph_optimization": "basic"}),
        BUILT,
        RUN,
        '--options={"graph_optimization":"basic"}',
    ),
    "deployment.batch": Row(
        config("deployments.ort.batch", 8), END, {"predict ort"} | AUDITED | TIMED | CHECKED, "--batch=8"
    ),
    "deployment.calls": Row(config("deployments.ort.calls", 1), END, RUN, "--calls=1"),
    "deployment.source": Row(config("deployments.ort.source", "raw"), BUILT, RUN, OTHER_INPUTS),
    "measure.passes": Row(config("measure.passes", 2), END, TIMED, '"passes":2'),
    "batching.sizes": Row(config("batching.sizes", [1, 2]), END, CHECKED, "--sizes=[1,2]"),
    "budgets.flipped": Row(config("budgets.flipped", 0.02), END, set(), '"flipped":0.02'),
    "tolerance": Row(config("models.crnn.tolerance", 0.0001), EXPORTED, FIXED, "--tolerance=0.0001"),
    "report.title": Row(config("report.title", "words"), END, set(), '"title":"words"'),
    "a deployment added": Row(deployment("ort-8", batch=8), BUILT, RUN, NEW),
    "a deployment with passes of its own added": Row(
        deployment("own", surgery=[{"pass": "prune_unused"}]), {"fix_onnx_for_deployment"} | BUILT, RUN, NEW
    ),
    "a deployment in 8 bits added": Row(
        deployment("int8", precision="int8"),
        {"render_words", "check_leakage", "make_tensors", "calibrate_model", "quantise_model"} | BUILT,
        {"predict variant"} | RUN,
        NEW,
    ),
    "a deployment of PyTorch added, which becomes the reference": Row(
        deployment("torch", runtime="torch", source="checkpoint"),
        {"build_torch"} | END,
        {"predict torch", "audit_run ort"} | CHECKED | TIMED | AUDITED,
        NEW,
    ),
    "a deployment with planned widths added": Row(
        planned_widths,
        {"measure_costs", "render_words", "plan_buckets", "plot_plan"} | BUILT,
        PREPARED,
        NEW,
    ),
    "a dataset added": Row(
        config("datasets.more", {"sample": {"words": 3, "seed": 9}}), {"render_words"} | END, PREPARED, NEW, 1
    ),
    "a dataset removed": Row(config("datasets.images", None), END, set(), OTHER_INPUTS),
    "a model added": Row(
        config(
            "models.other", {"checkpoint": "data/small.safetensors", "channels": [4, 4, 8, 8, 8, 8, 8], "hidden": 8}
        ),
        {"import_checkpoint"} | EXPORTED,
        IMPORTED,
        NEW,
    ),
}

INPUTS: dict[str, Row] = {
    "a label in the LMDB": Row(
        lambda clone: clone.put_word(b"label-%09d" % 2, b"other"),
        {"import_lmdb"} | END,
        PREPARED,
        "data/lmdb/data.mdb",
        1,
    ),
    "an image in the folder": Row(another_picture, {"import_images"} | END, PREPARED, "data/images ", 1),
    "the label file": Row(
        edit("data/labels.csv", "two.png,two", "two.png,too"), {"import_images"} | END, PREPARED, "data/labels.csv", 1
    ),
    "another checkpoint in its place, with an older time": Row(
        older_checkpoint, {"import_checkpoint"} | EXPORTED, IMPORTED, "data/small.safetensors"
    ),
    "a font removed": Row(
        unlink("resources/fonts/Caladea-Regular.ttf"), {"render_words"} | END, PREPARED, "Caladea-Regular.ttf", 1
    ),
    "a word of the word list": Row(
        lambda clone: clone.append("resources/words/english.txt", "snakes\n"),
        {"render_words"} | END,
        PREPARED,
        "resources/words/english.txt",
        1,
    ),
    "a published figure": Row(
        lambda clone: clone.append("resources/published.json", "\n"), END, set(), "resources/published.json"
    ),
    "the page deleted": Row(unlink("results/report/index.html"), END, set(), NEW),
}

CODE: dict[str, Row] = {
    "a stage": Row(statement("stages/data/make_tensors.py"), END, PREPARED, "stages/data/make_tensors.py"),
    "a module deep below render_words": Row(
        statement("crnn/data/render/text/glyphs.py"),
        {"render_words"} | END,
        PREPARED,
        "crnn/data/render/text/glyphs.py",
        1,
    ),
    "a pass of surgery": Row(statement("crnn/model/surgery/gemm.py"), REPAIRED, FIXED, "crnn/model/surgery/gemm.py"),
    "a runtime's verbs, loaded by name": Row(
        statement("crnn/runtimes/pytorch/cpu.py"), EXPORTED, IMPORTED, "crnn/runtimes/pytorch/cpu.py"
    ),
    "a clock": Row(statement("crnn/inference/timings.py"), END, TIMED, "crnn/inference/timings.py"),
    "a template of the page": Row(
        lambda clone: clone.append("workflow/crnn/report/templates/page.css.j2", "p {}\n"),
        END,
        set(),
        "crnn/report/templates/page.css.j2",
    ),
    "the command of a rule": Row(
        edit("rules/run.smk", "{params.sizes:q} {params.words:q}", "{params.words:q} {params.sizes:q}"),
        END,
        CHECKED,
        "Code has changed",
    ),
}

TOOLS: dict[str, Row] = {
    "rapidfuzz": Row(upgrade("rapidfuzz"), END, SCORED | AUDITED, "rapidfuzz 99.0"),
    "onnx-graphsurgeon": Row(upgrade("onnx-graphsurgeon"), REPAIRED, FIXED, "onnx-graphsurgeon 99.0"),
    "torch": Row(upgrade("torch"), {"import_checkpoint"} | EXPORTED, IMPORTED, "torch 99.0"),
    "onnxruntime": Row(upgrade("onnxruntime"), EXPORTED, FIXED, "onnxruntime 99.0"),
    "altair": Row(upgrade("altair"), END, set(), "altair 99.0"),
}

ROWS = {
    **{f"nothing reruns: {name}": Row(change, set(), set(), "") for name, change in NOTHING.items()},
    **{f"config: {name}": row for name, row in CONFIG.items()},
    **{f"input: {name}": row for name, row in INPUTS.items()},
    **{f"code: {name}": row for name, row in CODE.items()},
    **{f"tool: {name}": row for name, row in TOOLS.items()},
}
QUICK = {
    "nothing reruns: every file touched",
    "nothing reruns: a comment in a stage",
    "config: sample.words",
    "config: widths.max",
    "config: deployment.options",
    "config: a deployment added",
    "config: a deployment in 8 bits added",
    "config: a deployment with planned widths added",
    "input: an image in the folder",
    "input: another checkpoint in its place, with an older time",
    "code: a pass of surgery",
    "code: a runtime's verbs, loaded by name",
    "code: the command of a rule",
    "tool: onnxruntime",
}


# --- the table ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A clone in which the report has been made."""
    made = new_checkout(tmp_path_factory.mktemp("original") / "clone")
    result = made.run("report")
    assert result.returncode == 0, result.stdout + result.stderr
    return made


@pytest.fixture
def clone(original: Checkout, tmp_path: Path) -> Checkout:
    return original.copy(tmp_path / "clone")


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, id=name, marks=[] if name in QUICK else pytest.mark.slow) for name, row in ROWS.items()],
)
def test_a_change_reruns_exactly_what_depends_on_it_and_the_reason_names_it(row: Row, clone: Checkout) -> None:
    row.change(clone)
    plan = clone.dry_run(PYTHONPATH=str(clone.path / "upgrades"))
    assert plan.jobs == row.jobs
    assert row.reason in plan.text


# --- for real ----------------------------------------------------------------------------------------------


def executed(clone: Checkout, target: str = "report") -> dict[str, int]:
    """The jobs that a run really ran."""
    result = clone.run(target)
    assert result.returncode == 0, result.stdout + result.stderr
    rules = re.findall(r"Finished jobid: \d+ \(Rule: (\w+)\)", result.stdout + result.stderr)
    return dict(Counter(rule for rule in rules if rule != target))


@pytest.mark.slow
def test_a_new_deployment_really_runs_its_own_build_and_runs_alone(clone: Checkout) -> None:
    clone.set("deployments.ort-8", {"runtime": "onnxruntime", "widths": "aspect", "batch": 8})
    assert executed(clone) == CONFIG["a deployment added"].jobs
    assert {row["deployment"] for row in clone.report()["rows"]} == {"ort", "ort-8"}
    assert clone.dry_run().jobs == {}


@pytest.mark.slow
def test_an_export_that_comes_out_the_same_spares_the_builds_and_runs(clone: Checkout) -> None:
    """As `make report` does it: what runs start from, and then the report."""
    statement("stages/model/export_onnx.py")(clone)
    assert clone.dry_run().jobs == Row(statement(""), EXPORTED, FIXED, "").jobs
    assert executed(clone, "prepare") == {"export_onnx": 1, "fix_onnx": 1}
    assert clone.dry_run().jobs == dict.fromkeys(END, 1)  # the page lists the records of the stages, which are new
