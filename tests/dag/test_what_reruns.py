"""A change reruns what depends on it and nothing else.

One run of a small workflow, in a clone of this repository; then, for each row of the table, a copy of clone and
results, the change, and a dry run that must plan exactly the jobs of the row. That nothing else runs also says that a
checkout may be moved with its results. At the end a few of the changes are run for real.
"""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checkout import Checkout, new_checkout
from engine.why import recorded as made_from
from examples import png, scribble
from workspace import write_small_checkpoint

pytestmark = [pytest.mark.dag, pytest.mark.xdist_group("reruns")]

Jobs = dict[str, int]
Change = Callable[[Checkout], Any]

DATASETS = 3  # sample, lmdb, images; one model, one deployment, one width rule


# --- what follows from what --------------------------------------------------------------------------------


def times(count: int, *rules: str) -> Jobs:
    return dict.fromkeys(rules, count)


END = times(1, "make_report", "check_budgets")


def scored(datasets: int = DATASETS) -> Jobs:
    return times(datasets, "score_run") | END


def audited(datasets: int = DATASETS) -> Jobs:
    return times(datasets, "audit_run") | END


def timed(datasets: int = DATASETS) -> Jobs:
    return times(datasets, "time_words") | scored(datasets)


def checked(datasets: int = DATASETS) -> Jobs:
    return times(datasets, "check_batching") | scored(datasets)


def read(datasets: int = DATASETS) -> Jobs:
    return times(datasets, "predict_words") | checked(datasets) | audited(datasets)


def built(build: str = "build_onnxruntime", datasets: int = DATASETS) -> Jobs:
    return times(1, build) | read(datasets) | timed(datasets)


def proved(datasets: int = DATASETS) -> Jobs:
    return times(datasets, "prove_words") | audited(datasets)


def referred(datasets: int = DATASETS) -> Jobs:
    return times(datasets, "predict_reference") | audited(datasets)


def prepared(datasets: int = DATASETS) -> Jobs:
    return times(datasets, "make_tensors") | referred(datasets) | proved(datasets) | read(datasets) | timed(datasets)


FIXED = times(1, "fix_onnx") | proved() | built()
EXPORTED = times(1, "export_onnx") | FIXED
IMPORTED = times(1, "import_checkpoint") | referred() | EXPORTED
NOTHING: Jobs = {}


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


def touch_the_folder(clone: Checkout) -> None:
    os.utime(clone.path / "data" / "images")


def a_tensor(clone: Checkout, dataset: str = "lmdb") -> Path:
    return min((clone.path / "results" / "datasets" / dataset / "tensors" / "aspect").glob("w*.npy"))


def altered(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def unlink(file: str) -> Change:
    return lambda clone: (clone.path / file).unlink()


NOTHING_RERUNS: dict[str, Change] = {
    "nothing": lambda clone: None,
    "every file touched": touch_everything,
    "a comment in the config and a description in its schema": comment_in_config,
    "values written out that are the defaults": defaults_written_out,
    "a width rule that no deployment uses": config("widths.spare", {"rule": "fixed", "width": 64}),
    "planned widths that no deployment uses": config("widths.spare", {"rule": "planned", "deployment": "ort"}),
    "words of a calibration that no deployment needs": config("calibration.words", 5),
    "a comment in a stage": edit("workflow/stages/data/make_tensors.py", "def main", "# a comment\ndef main"),
    "a docstring in the library": edit(
        "workflow/crnn/data/tensors.py", '"""Words to tensors', '"""From words to tensors'
    ),
    "a module that nothing imports": lambda clone: (clone.path / "workflow/crnn/new.py").write_text("NEW = 1\n"),
    "memory and message of a rule": lambda clone: (
        clone.edit("rules/dataset.smk", "mem_mb=grows(4000)", "mem_mb=grows(5000)"),
        clone.edit("rules/dataset.smk", "Preparing {wild", "Making {wild"),
    ),
    "a comment in the rules": edit("rules/model.smk", "rule export_onnx", "# a comment\nrule export_onnx"),
    "an env file, where conda does not make the envs": edit("envs/torch.yaml", "onnx=1.", "onnx=99."),
    "another version of the progress bar": upgrade("tqdm"),
    "another version of what no stage imports": upgrade("hypothesis"),
    "the LMDB rewritten with its bytes": lambda clone: clone.rewrite("data/lmdb/data.mdb"),
    "the checkpoint saved again": same_checkpoint_again,
    "the folder of images touched": touch_the_folder,
    "an intermediate rewritten with its bytes": lambda clone: clone.rewrite("results/models/crnn/raw.onnx"),
    "an intermediate deleted that nothing waits for": unlink("results/models/crnn/raw.onnx"),
    "a log deleted": unlink("logs/fix_onnx/crnn.log"),
}

CONFIG: dict[str, tuple[Change, Jobs]] = {
    "sample.words": (config("datasets.sample.sample.words", 5), times(1, "render_sample") | prepared(1)),
    "sample.seed": (config("datasets.sample.sample.seed", 5), times(1, "render_sample") | prepared(1)),
    "sample: words and seed change places": (
        config("datasets.sample.sample", {"words": 3, "seed": 4}),
        times(1, "render_sample") | prepared(1),
    ),
    "images.form": (config("datasets.images.images.form", "csv"), times(1, "import_images") | prepared(1)),
    "checkpoint": (
        lambda clone: (
            write_small_checkpoint(clone.path / "data/other.safetensors", seed=6),
            clone.set("models.crnn.checkpoint", "data/other.safetensors"),
        ),
        IMPORTED,
    ),
    "layout": (config("models.crnn.layout", "bidirectional"), IMPORTED),
    "gate_order": (config("models.crnn.gate_order", "ifgo"), IMPORTED),
    "hidden": (config("models.crnn.hidden", 16), IMPORTED),
    "charset": (config("models.crnn.charset", "0123456789abcdefghijklmnopqrstuvwxyzé"), IMPORTED),
    "opset": (config("models.crnn.opset", 12), EXPORTED),
    "surgery": (config("models.crnn.surgery", [{"pass": "fold_constants"}]), FIXED),
    "widths.max": (config("widths.aspect.max", 320), prepared()),
    "widths.interpolation": (config("widths.aspect.interpolation", "opencv-cubic"), prepared()),
    "labels.case": (config("labels.case", "keep"), prepared()),
    "deployment.options": (config("deployments.ort.options", {"graph_optimization": "basic"}), built()),
    "deployment.batch": (config("deployments.ort.batch", 8), read() | timed()),
    "deployment.source": (
        config("deployments.ort.source", "raw"),
        built(),
    ),
    "measure.passes": (config("measure.passes", 2), timed()),
    "batching.sizes": (config("batching.sizes", [1, 2]), checked()),
    "batching.words": (config("batching.words", 3), checked()),
    "budgets.flipped": (config("budgets.flipped", 0.02), END),
    "budgets.max_abs_difference": (config("budgets.max_abs_difference", 0.0001), FIXED),
    "report.title": (config("report.title", "words"), END),
    "a deployment added": (
        config("deployments.ort-8", {"runtime": "onnxruntime", "widths": "aspect", "batch": 8}),
        built(),
    ),
    "a deployment with passes of its own added": (
        config(
            "deployments.own", {"runtime": "onnxruntime", "widths": "aspect", "surgery": [{"pass": "prune_unused"}]}
        ),
        times(1, "fix_onnx_for_deployment") | built(),
    ),
    "a deployment in 8 bits added": (
        config("deployments.int8", {"runtime": "onnxruntime", "widths": "aspect", "precision": "int8"}),
        times(1, "render_calibration", "prove_disjoint", "make_calibration_tensors", "calibrate_model")
        | times(1, "quantise_model")
        | times(DATASETS, "predict_onnx")
        | built(),
    ),
    "a deployment on another runtime added": (
        config("deployments.torch", {"runtime": "torch", "source": "checkpoint", "widths": "aspect"}),
        built("build_torch"),
    ),
    "a deployment with planned widths added": (
        lambda clone: (
            clone.set("widths.planned", {"rule": "planned", "deployment": "ort"}),
            clone.set("deployments.planned", {"runtime": "onnxruntime", "widths": "planned"}),
        ),
        times(1, "measure_costs", "render_tuning", "plan_buckets", "plot_plan") | prepared() | built(),
    ),
    "a dataset added": (
        config("datasets.more", {"sample": {"words": 3, "seed": 9}}),
        times(1, "render_sample") | prepared(1),
    ),
    "a dataset removed": (config("datasets.images", None), END),
    "a model added": (
        config(
            "models.other", {"checkpoint": "data/small.safetensors", "channels": [4, 4, 8, 8, 8, 8, 8], "hidden": 8}
        ),
        IMPORTED,
    ),
}

INPUTS: dict[str, tuple[Change, Jobs]] = {
    "a label in the LMDB": (
        lambda clone: clone.put_word(b"label-%09d" % 2, b"other"),
        times(1, "import_lmdb") | prepared(1),
    ),
    "an image in the LMDB": (
        lambda clone: clone.put_word(b"image-%09d" % 2, png(scribble(70, 30, seed=9))),
        times(1, "import_lmdb") | prepared(1),
    ),
    "an image in the folder": (another_picture, times(1, "import_images") | prepared(1)),
    "the label file": (edit("data/labels.csv", "two.png,two", "two.png,too"), times(1, "import_images") | prepared(1)),
    "another checkpoint in its place, with an older time": (older_checkpoint, IMPORTED),
    "a font removed": (unlink("resources/fonts/Caladea-Regular.ttf"), times(1, "render_sample") | prepared(1)),
    "a word of the word list": (
        lambda clone: clone.append("resources/words/english.txt", "snakes\n"),
        times(1, "render_sample") | prepared(1),
    ),
    "a published figure": (lambda clone: clone.append("resources/published.json", "\n"), END),
}

CODE: dict[str, tuple[Change, Jobs]] = {
    "import_lmdb": (statement("import_lmdb.py"), times(1, "import_lmdb") | prepared(1)),
    "import_images": (statement("import_images.py"), times(1, "import_images") | prepared(1)),
    "render_words": (statement("render_words.py"), times(1, "render_sample") | prepared(1)),
    "make_tensors": (statement("make_tensors.py"), prepared()),
    "import_checkpoint": (statement("import_checkpoint.py"), IMPORTED),
    "export_onnx": (statement("export_onnx.py"), EXPORTED),
    "fix_onnx": (statement("fix_onnx.py"), FIXED),
    "build_model": (statement("build_model.py"), built()),
    "predict_words": (statement("predict_words.py"), referred() | read()),
    "prove_words": (statement("prove_words.py"), proved()),
    "check_batching": (statement("check_batching.py"), checked()),
    "time_words": (statement("time_words.py"), timed()),
    "score_run": (statement("score_run.py"), scored()),
    "audit_run": (statement("audit_run.py"), audited()),
    "make_report": (statement("make_report.py"), END),
    "check_budgets": (statement("check_budgets.py"), times(1, "check_budgets")),
    "crnn/data/render/text/glyphs.py, deep below render_words": (
        statement("crnn/data/render/text/glyphs.py"),
        times(1, "render_sample") | prepared(1),
    ),
    "crnn/model/surgery/gemm.py, deep below fix_onnx": (statement("crnn/model/surgery/gemm.py"), FIXED),
    "crnn/runtimes/pytorch/cpu.py, loaded by name": (statement("crnn/runtimes/pytorch/cpu.py"), referred() | EXPORTED),
    "crnn/inference/timings.py": (statement("crnn/inference/timings.py"), timed()),
    "a template of the page": (lambda clone: clone.append("workflow/crnn/report/templates/page.css.j2", "p {}\n"), END),
    "the script of the page": (lambda clone: clone.append("workflow/crnn/report/templates/page.js", "// more\n"), END),
    "the command of a rule": (
        edit("rules/run.smk", "--sizes {params.sizes:q} --words", "--words"),
        checked(),
    ),
}

TOOLS: dict[str, tuple[Change, Jobs]] = {
    "rapidfuzz": (upgrade("rapidfuzz"), scored() | audited()),
    "onnx-graphsurgeon": (upgrade("onnx-graphsurgeon"), FIXED),
    "torch": (upgrade("torch"), IMPORTED),
    "onnxruntime": (upgrade("onnxruntime"), EXPORTED),
    "altair": (upgrade("altair"), END),
}

RESULTS: dict[str, tuple[Change, Jobs]] = {
    "the page deleted": (unlink("results/report/index.html"), END),
    "a run's row deleted": (unlink("results/runs/lmdb/crnn/ort/run.json"), NOTHING),
    "a build edited by hand": (lambda clone: altered(clone.path / "results/builds/crnn/ort/model.onnx"), built()),
    "a tensor file deleted": (lambda clone: a_tensor(clone).unlink(), prepared(1)),
    "a tensor file altered": (lambda clone: altered(a_tensor(clone)), prepared(1)),
    "the page edited by hand": (lambda clone: clone.append("results/report/index.html", "<p>more</p>"), END),
}

ROWS = {
    **{f"nothing reruns: {name}": (change, NOTHING) for name, change in NOTHING_RERUNS.items()},
    **{f"config: {name}": row for name, row in CONFIG.items()},
    **{f"input: {name}": row for name, row in INPUTS.items()},
    **{f"code: {name}": row for name, row in CODE.items()},
    **{f"tool: {name}": row for name, row in TOOLS.items()},
    **{f"result: {name}": row for name, row in RESULTS.items()},
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


def planned(clone: Checkout) -> Jobs:
    return clone.planned(PYTHONPATH=str(clone.path / "upgrades"))


@pytest.mark.parametrize(("change", "expected"), ROWS.values(), ids=ROWS)
def test_a_change_reruns_exactly(change: Change, expected: Jobs, clone: Checkout) -> None:
    change(clone)
    assert planned(clone) == expected


# --- for real ----------------------------------------------------------------------------------------------


def executed(clone: Checkout, target: str = "report") -> Jobs:
    """The jobs that a run really ran."""
    result = clone.run(target)
    assert result.returncode == 0, result.stdout + result.stderr
    rules = re.findall(r"Finished jobid: \d+ \(Rule: (\w+)\)", result.stdout + result.stderr)
    return {rule: rules.count(rule) for rule in rules if rule != target}


def test_a_new_deployment_really_runs_its_own_build_and_runs_alone(clone: Checkout) -> None:
    clone.set("deployments.ort-8", {"runtime": "onnxruntime", "widths": "aspect", "batch": 8})
    assert executed(clone) == built()
    assert {row["deployment"] for row in clone.report()["rows"]} == {"ort", "ort-8"}
    assert planned(clone) == NOTHING


def test_what_was_altered_is_really_made_again(clone: Checkout) -> None:
    tensor = a_tensor(clone)
    before = tensor.read_bytes()
    tensor.unlink()
    altered(clone.path / "results/models/crnn/fixed.onnx")
    assert executed(clone) == prepared(1) | FIXED
    assert tensor.read_bytes() == before
    assert planned(clone) == NOTHING


def test_an_export_that_comes_out_the_same_spares_the_builds_and_runs(clone: Checkout) -> None:
    """As `make report` does it: what runs start from, and then the report."""
    statement("export_onnx.py")(clone)
    assert planned(clone) == EXPORTED
    assert executed(clone, "prepare") == times(1, "export_onnx", "fix_onnx")
    assert planned(clone) == END  # the page lists the records of the stages, which are new


def test_every_setting_of_every_rule_has_its_key_in_the_config(original: Checkout) -> None:
    """So that `make why` can name it."""
    records = [json.loads(path.read_text()) for path in (original.path / ".snakemake/metadata").iterdir()]
    keys = {key for record in records for key in (made_from(record["params"]) or {})["config"]}
    assert len(keys) > 20
    sections = {"datasets", "models", "widths", "deployments", "labels", "measure", "batching", "budgets", "report"}
    assert {key.partition(".")[0] for key in keys} <= sections | {"runs"}
