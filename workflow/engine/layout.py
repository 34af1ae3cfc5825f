"""Where everything lies, and what each job reads: a checked config as typed lookups for the rules.

Paths are relative to the working directory. Only `shipped` looks whether a file is there.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from crnn.model.precision import QUANTISED, VARIANTS
from crnn.runtimes.runtime import Runtime
from engine.config import SOURCES, Config, models_of, picked, planned_widths, trained_weights
from engine.rows import CASCADE, MODEL_FILES, Deployment, Reader, Run

# Words that the workflow makes for itself: to calibrate 8 bits with, and to tune plans on.
CALIBRATION, TUNING, GOLDEN = "calibration", "tuning", "golden"
GOLDEN_WORDS = {"words": 64, "seed": 64}  # what a bundle proves itself with
REFERENCE = "torch"  # the runtime that every deployment is compared with


def canonical(value: Any) -> str:
    """JSON with sorted keys: equal settings are equal texts, whatever their order."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True)
class Layout:
    """The lookups. root: of this workflow, where shipped files lie; results: the folder that everything is made in."""

    config: Config
    runtimes: Mapping[str, Runtime]
    root: Path
    results: str = "results"

    def shipped(self, path: str) -> str:
        """A path of the user's, or else of this workflow; in its checkout relative, so moving both reruns nothing."""
        return path if Path(path).exists() else str(self.root / path)

    # --- names -------------------------------------------------------------------------------------------------

    @cached_property
    def datasets(self) -> Config:
        """The datasets of the config, and the words that the workflow makes for itself."""
        own = {CALIBRATION: self.config["calibration"], TUNING: self.config["planning"], GOLDEN: GOLDEN_WORDS}
        made = {
            name: picked(entry, "lmdb") or {"sample": picked(entry, "words", "seed")} for name, entry in own.items()
        }
        return {**self.config["datasets"], **made}

    @cached_property
    def evaluations(self) -> dict[str, list[str]]:
        """Evaluation folder, by its name in the config → the datasets that are its sets."""
        groups: dict[str, list[str]] = {}
        for name, entry in self.config["datasets"].items():
            if "group" in entry:
                groups.setdefault(entry["group"], []).append(name)
        return groups

    def datasets_from(self, source: str) -> list[str]:
        """Names of the datasets that come from `source`; an lmdb beside another source is used instead of it."""
        return [name for name, entry in self.datasets.items() if source == next(key for key in SOURCES if key in entry)]

    @cached_property
    def deployments(self) -> dict[str, Deployment]:
        """Every deployment by name, those that are skipped too."""
        runtimes = {**self.runtimes, CASCADE.name: CASCADE}
        made = {}
        for name, entry in self.config["deployments"].items():
            given = {"name": name, "runtime": runtimes[entry["runtime"]], "models": models_of(entry, self.config)}
            made[name] = Deployment(**{**entry, **given})
        return made

    @cached_property
    def alone(self) -> dict[str, Deployment]:
        """The deployments that are one model on one runtime, and no cascade."""
        return {name: entry for name, entry in self.deployments.items() if not entry.cascade}

    @cached_property
    def runtimes_in_use(self) -> dict[str, Runtime]:
        """The runtimes of deployments and stages, by name."""
        used = [self.runtimes[REFERENCE], self.runtimes["onnxruntime"], *(e.runtime for e in self.alone.values())]
        return {runtime.name: runtime for runtime in used}

    @cached_property
    def planned(self) -> list[str]:
        """Names of the width rules that are planned."""
        return list(planned_widths(self.config))

    @cached_property
    def runs(self) -> list[Run]:
        """Every row of the report that is run."""
        return [
            Run(dataset, model, name)
            for dataset in self.config["datasets"]
            for model in self.config["models"]
            for name, entry in self.deployments.items()
            if entry.skip is None and model in entry.models
        ]

    def of_runs(self, *patterns: str) -> list[str]:
        """Each pattern filled in for every run and part of its dataset, each file once.

        Besides what names a run, a pattern may name its {widths}, its {model_file} and the {repaired} stem of that.
        """
        entries = self.deployments
        filled = (
            pattern.format(
                results=self.results,
                widths=entries[run.deployment].widths,
                repaired=entries[run.deployment].repaired,
                model_file=entries[run.deployment].model_file,
                part=part,
                **asdict(run),
            )
            for pattern in patterns
            for run in self.runs
            for part in self.parts(run.dataset)
        )
        return list(dict.fromkeys(filled))

    def run_file(self, run: Run, file: str) -> str:
        """A file of a run's folder."""
        return f"{self.results}/runs/{run.dataset}/{run.model}/{run.deployment}/{file}"

    # --- words and tensors -------------------------------------------------------------------------------------

    def parts(self, dataset: str) -> list[str]:
        """Numbers of a dataset's parts, in the order of its words."""
        return [str(number + 1) for number in range(self.datasets[dataset].get("parts", 1))]

    def words(self, dataset: str) -> str:
        """A dataset's LMDB."""
        return f"{self.results}/datasets/{dataset}/words.lmdb/data.mdb"

    def tensors(self, dataset: str, widths: str, file: str = "contract.json") -> list[str]:
        """A file of every part of a dataset's tensors."""
        return [f"{self.results}/datasets/{dataset}/tensors/{widths}/{part}/{file}" for part in self.parts(dataset)]

    def tensors_of(self, run: Run, file: str = "contract.json") -> list[str]:
        """A file of every part of the tensors that a run reads."""
        return self.tensors(run.dataset, self.deployments[run.deployment].widths, file)

    # --- planned widths ----------------------------------------------------------------------------------------

    def plan(self, widths: str) -> list[str]:
        """The plan of a width rule; none where it is not planned."""
        if widths not in self.planned:
            return []
        entry = self.config["widths"][widths]
        model = entry.get("model", next(iter(self.config["models"])))
        return [f"{self.results}/plans/{model}/{entry['deployment']}/{widths}/plan.json"]

    def width_rule(self, widths: str) -> Any:
        """The settings of a width rule; of a planned one the path of the plan, which holds them."""
        return next(iter(self.plan(widths)), self.config["widths"][widths])

    @cached_property
    def plans(self) -> dict[str, str]:
        """Planned width rule → plan, of those that runs use."""
        used = {self.deployments[run.deployment].widths for run in self.runs}
        return {name: plan for name in self.planned if name in used for plan in self.plan(name)}

    def counted_samples(self, widths: str, deployment: str) -> list[str]:
        """The words that a plan is made for: of every dataset that it names, as its deployment reads them."""
        counted = self.config["widths"][widths].get("datasets", self.config["datasets"])
        of = self.deployments[deployment].widths
        return [file for dataset in counted for file in self.tensors(dataset, of, "samples.parquet")]

    # --- models and builds -------------------------------------------------------------------------------------

    def model(self, model: str, file: str) -> str:
        """A file of a model's folder."""
        return f"{self.results}/models/{model}/{file}"

    def models_from(self, source: str) -> list[str]:
        """Names of the models that come from a `checkpoint`, or from an `onnx` file."""
        return [name for name, entry in self.config["models"].items() if source in entry]

    def model_source(self, model: str) -> str:
        """The file that a model names: the user's, one that `training` makes, or a shipped one."""
        entry = self.config["models"][model]
        path = str(entry.get("checkpoint") or entry["onnx"])
        return path if path in self.trained.values() else self.shipped(path)

    def charset_files(self, model: str) -> list[str]:
        """The file that a model's charset is in; none where the config holds it, or the ONNX file."""
        charset = self.config["models"][model]["charset"]
        return [charset["file"]] if isinstance(charset, dict) and "file" in charset else []

    def first_stage(self, model: str) -> str:
        """The stage of a model that all others are compared with."""
        return REFERENCE if "checkpoint" in self.config["models"][model] else "raw"

    def build(self, model: str, deployment: str) -> list[str]:
        """What the build of a deployment leaves, the file that is loaded first."""
        folder = f"{self.results}/builds/{model}/{deployment}"
        return [f"{folder}/{file}" for file in self.deployments[deployment].runtime.files]

    def compiled_plan(self, deployment: str) -> list[str]:
        """The plan that a build is compiled for; none where it takes any shape."""
        entry = self.deployments[deployment]
        return self.plan(entry.widths) if entry.runtime.compiles_shapes else []

    def build_options(self, deployment: str) -> dict[str, Any]:
        """A deployment's options; for a runtime that compiles shapes also its width rule and batch."""
        entry = self.deployments[deployment]
        if not entry.runtime.compiles_shapes:
            return entry.runtime_options
        # Where widths are planned, the plan says how many words go into a call.
        batch = {} if entry.widths in self.planned else {"batch": entry.batch}
        return {**entry.runtime_options, "width_rule": self.config["widths"][entry.widths], **batch}

    def widths_to_check(self, model: str, variant: str) -> str:
        """The width rule by which a variant that is made for all of them reads the calibration words."""
        serving = [entry for entry in self.deployments.values() if model in entry.models]
        users = [entry for entry in serving if entry.variant == variant]
        named = [*(entry.widths for entry in [*users, *serving]), *self.config["widths"]]
        return next(str(name) for name in named if name not in self.planned)

    def toolchain_questions(self, jobs: Iterable[tuple[str, bool]]) -> list[dict[str, Any]]:
        """What to ask of toolchains before a run; jobs: the deployment or stage of each, and whether it builds."""
        asked = sorted({(name, building) for name, building in jobs if name in self.deployments})
        return [
            {
                "deployment": name,
                "runtime": self.deployments[name].runtime.name,
                "options": self.build_options(name) if building else self.deployments[name].runtime_options,
                "building": building,
            }
            for name, building in asked
        ]

    # --- readings ----------------------------------------------------------------------------------------------

    @cached_property
    def readers(self) -> list[str]:
        """Every name that `reader` knows, but for raw and fixed, which are read side by side."""
        used = [entry.variant_stem for entry in self.deployments.values() if entry.variant != "fp32"]
        converted = [f"fixed.{name}" for name in VARIANTS if name not in QUANTISED]
        return list(dict.fromkeys([REFERENCE, *converted, *used, *self.alone]))

    def reference(self, model: str, widths: str) -> str:
        """The reader that a model's others are compared with: a deployment of PyTorch's, or else its first stage."""
        wanted = (REFERENCE, widths, None)
        own = (
            name
            for name, entry in self.deployments.items()
            if (entry.runtime.name, entry.widths, entry.skip) == wanted and model in entry.models
        )
        return next(own, self.first_stage(model))

    def reader(self, model: str, widths: str, name: str) -> Reader:
        """The reader of a name: a deployment, `torch`, `raw`, `fixed`, or the stem of a variant."""
        entry = self.deployments.get(name)
        if entry is not None and entry.widths == widths:
            batch = next(iter(self.plan(widths)), entry.batch)
            return Reader(tuple(self.build(model, name)), entry.runtime, entry.runtime_options, batch, entry.calls)
        file = MODEL_FILES["checkpoint"] if name == REFERENCE else f"{name}.onnx"
        runtime = self.runtimes[REFERENCE if name == REFERENCE else "onnxruntime"]
        return Reader((self.model(model, file),), runtime, {})

    def predictions(self, dataset: str, model: str, widths: str, reader: str, suffix: str = ".parquet") -> list[str]:
        """What a reader read of every part of a dataset."""
        folder = f"{self.results}/predictions/{dataset}/{model}/{widths}/{reader}"
        return [f"{folder}/{part}{suffix}" for part in self.parts(dataset)]

    def predictions_of(self, run: Run) -> list[str]:
        """What a run's deployment read of every part of its dataset."""
        entry = self.deployments[run.deployment]
        return self.predictions(run.dataset, run.model, entry.widths, entry.name)

    def audited(self, run: Run) -> dict[str, list[str]]:
        """Stage → readings of every part, from the reference to a deployment's build, in order."""
        entry, path = self.deployments[run.deployment], self.audit_path(run)
        found = {stage: self.predictions(run.dataset, run.model, entry.widths, name) for stage, name in path.items()}
        if entry.cascade:
            widths = self.deployments[entry.cascade[-1]].widths
            found[entry.cascade[-1]] = self.predictions(run.dataset, run.model, widths, entry.cascade[-1])
        return found

    def explained(self, run: Run) -> dict[str, str]:
        """Stage → which nodes turned the words on the step to it, of the steps between two ONNX files."""
        others = {REFERENCE, *self.deployments}
        folder = f"{self.results}/explained/{run.dataset}/{run.model}/{self.deployments[run.deployment].widths}"
        return {
            stage: f"{folder}/{before}/{after}.json"
            for (_, before), (stage, after) in pairwise(self.audit_path(run).items())
            if others.isdisjoint((before, after))
        }

    def audit_path(self, run: Run) -> dict[str, str]:
        """Stage → reader, from the reference to a deployment's build, in order."""
        entry = self.deployments[run.deployment]
        if entry.cascade:  # against its last member, which alone would read every word
            return {entry.cascade[-1]: entry.cascade[-1], "build": entry.name}
        readers = {self.first_stage(run.model): self.reference(run.model, entry.widths)}
        if entry.source != "checkpoint":
            readers["raw"] = "raw"
        if entry.source == "fixed":
            readers["fixed"] = "fixed"
        if entry.variant != "fp32":
            readers[f"{entry.variant}{entry.repaired.removeprefix('fixed')}"] = entry.variant_stem
        return {**readers, "build": entry.name}

    @property
    def clock(self) -> dict[str, int]:
        """How long the two clocks run."""
        return picked(self.config["measure"], "passes", "warmup", "words")

    def costs(self, run: Run, suffix: str = ".json") -> list[str]:
        """What else is measured of a run: its starts, its load; none unless the config asks."""
        if self.deployments[run.deployment].cascade:
            return [self.run_file(run, "cascade.json")] if suffix == ".json" else []
        return [self.run_file(run, f"{name}{suffix}") for name in ("starts", "load") if self.config["measure"][name]]

    def surgery_records(self, run: Run) -> list[str]:
        """Records of reading a dataset with raw and fixed side by side; none where a row starts before surgery."""
        entry = self.deployments[run.deployment]
        if entry.source != "fixed" or entry.cascade:
            return []
        return self.predictions(run.dataset, run.model, entry.widths, "fixed", ".json")

    # --- training ----------------------------------------------------------------------------------------------

    @cached_property
    def trained(self) -> dict[str, str]:
        """Training → the checkpoint that it makes."""
        return {name: trained_weights(name, self.results) for name in self.config["training"]}

    def training_settings(self, training: str) -> dict[str, Any]:
        """What decides the weights (crnn.train.settings)."""
        entry = self.config["training"][training]
        names = ["seed", "words", "batch", "learning_rate", "warmup", "weight_decay", "clip", "average", "jitter"]
        names += ["minutes", "shelf"] if "minutes" in entry else []
        return {**picked(entry, *names), "validate_words": entry["validation"]["every"]}

    def errors_of_training(self, training: str) -> list[str]:
        """Analyses of the runs whose model names the checkpoint of a training."""
        made = self.trained[training]
        users = [run for run in self.runs if self.config["models"][run.model].get("checkpoint") == made]
        return [self.run_file(run, "errors.json") for run in users]

    @cached_property
    def training_logs(self) -> dict[str, str]:
        """Model → the log of the training that made its checkpoint, where one lies beside it or `training` makes it."""
        made = self.trained.values()
        files = {model: self.model_source(model) for model in self.models_from("checkpoint")}
        logs = {model: Path(file).with_name("log.jsonl") for model, file in files.items()}
        return {model: str(log) for model, log in logs.items() if files[model] in made or log.is_file()}

    # --- the report --------------------------------------------------------------------------------------------

    @cached_property
    def skipped(self) -> list[dict[str, str]]:
        """The rows without figures: deployments that the config says are not run here, and why."""
        return [
            {"deployment": name, "reason": entry["skip"], **picked(entry, "widths", "runtime", "precision")}
            for name, entry in self.config["deployments"].items()
            if "skip" in entry
        ]

    def quantised_record(self, run: Run) -> list[str]:
        """The record of the quantised file that a run's build starts from; none where it is not quantised."""
        entry = self.deployments[run.deployment]
        return [self.model(run.model, f"{entry.variant_stem}.json")] if entry.variant in QUANTISED else []

    def bundle(self, model: str, deployment: str) -> str:
        """The bundle of a deployment."""
        return f"{self.results}/bundles/{model}/{deployment}"

    def is_bundled(self, deployment: str) -> bool:
        """Whether a deployment can be had as a bundle: not where one of its members has the recipe's widths."""
        widths = {self.deployments[member].widths for member in self.deployments[deployment].members}
        return all(self.config["widths"][name]["rule"] != "recipe" for name in widths)

    def bundles(self) -> list[str]:
        """The bundle of every deployment that is run and can be had as one, of each model."""
        bundled = [run for run in self.runs if self.is_bundled(run.deployment)]
        return list(dict.fromkeys(self.bundle(run.model, run.deployment) for run in bundled))

    def scored(self, model: str, deployment: str) -> list[str]:
        """The scores of a deployment on every dataset."""
        runs = [run for run in self.runs if (run.model, run.deployment) == (model, deployment)]
        return [self.run_file(run, "run.json") for run in runs]

    def bundle_identity(self, model: str, deployment: str) -> dict[str, str]:
        """What a bundle says that it is."""
        entry = self.deployments[deployment]
        return {"model": model, "deployment": deployment, "precision": entry.precision}

    def run_identity(self, run: Run) -> dict[str, str]:
        """What identifies a run's row in the report, and what its reader may do with it."""
        told = picked(self.config["deployments"][run.deployment], "widths", "runtime", "source", "precision")
        bundle = self.bundle(run.model, run.deployment) if self.is_bundled(run.deployment) else None
        offered = {"bundle": bundle, "vendor_command": self._vendor_command(run)}
        return {**asdict(run), **told, **{key: text for key, text in offered.items() if text}}

    def _vendor_command(self, run: Run) -> str | None:
        """The command of the vendor that compares what a run was built from with the build, tensor by tensor."""
        entry = self.deployments[run.deployment]
        if entry.runtime.comparison is None:
            return None
        source, built = self.model(run.model, entry.model_file), self.build(run.model, run.deployment)[0]
        return entry.runtime.comparison.format(onnx=source, build=built)

    @cached_property
    def records(self) -> list[str]:
        """Records of every stage that the runs need, in the order of the work."""
        models = "{results}/models/{model}"
        prepared = self.of_runs(
            "{results}/datasets/{dataset}/words.json",
            "{results}/datasets/{dataset}/tensors/{widths}/{part}/tensors.json",
        )
        imported = [self.model(model, "weights.json") for model in self.models_from("checkpoint")]
        repaired = self.of_runs(f"{models}/raw.json", f"{models}/fixed.json", f"{models}/{{repaired}}.json")
        made = [(run.model, self.deployments[run.deployment]) for run in self.runs]
        calibrated = [
            self.model(model, f"{entry.repaired}.calibration-{entry.variant}-{entry.widths}.record.json")
            for model, entry in made
            if entry.variant in QUANTISED
        ]
        variants = [self.model(model, f"{entry.variant_stem}.json") for model, entry in made if entry.variant != "fp32"]
        plans = [Path(plan).parent for plan in self.plans.values()]
        planned = [*(f"{plan.parent}/costs.json" for plan in plans), *(f"{plan}/record.json" for plan in plans)]
        read = [
            file.replace(".parquet", ".json")
            for run in self.runs
            for stage, files in self.audited(run).items()
            if stage != "raw"  # read beside fixed, which has the record of both
            for file in files
        ]
        timed = self.of_runs(
            "{results}/builds/{model}/{deployment}/build.json",
            "{results}/runs/{dataset}/{model}/{deployment}/timings.json",
        )
        costs = [record for run in self.runs for record in self.costs(run, ".record.json")]
        every = [*prepared, *imported, *repaired, *calibrated, *variants, *planned, *read, *timed, *costs]
        return list(dict.fromkeys(every))

    def run_files(self, run: Run) -> dict[str, Any]:
        """What the report reads of a run."""
        files = {"run": "run.json", "audit": "audit.json", "flips": "audit.parquet", "timings": "timings.parquet"}
        return {
            **asdict(run),
            **{name: self.run_file(run, file) for name, file in files.items()},
            "predictions": self.predictions_of(run),
            "samples": self.tensors_of(run, "samples.parquet"),
            "words": str(Path(self.words(run.dataset)).parent),
        }

    @property
    def previous_report(self) -> list[str]:
        """The earlier report that the config names: its rows and what was read; none where it names none."""
        named = self.config["report"].get("previous")
        return [named, str(Path(named).with_name("readings.parquet"))] if named else []

    def report_inputs(self) -> dict[str, Any]:
        """What make_report is told: the files of every run, the records, the budgets."""
        return {
            "runs": [self.run_files(run) for run in self.runs],
            "records": self.records,
            "budgets": self.config["budgets"],
            "skipped": self.skipped,
            "evaluations": self.evaluations,
            "drawings": [
                {
                    "svg": plan.replace(".json", ".svg"),
                    "title": f"Buckets of {name}",
                    "caption": "How many words have which width, and the planned widths with their cost per word",
                }
                for name, plan in self.plans.items()
            ],
            "training": [{"model": model, "log": log} for model, log in self.training_logs.items()],
            **self.config["report"],
        }
