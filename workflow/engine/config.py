"""Checking a config against its schema, with errors a person can act on.

Not here: reading keys for rules (`rules/common.smk`), defaults (Snakemake's `validate` fills them from the schema).
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

Config = dict[str, Any]

SOURCES = ("lmdb", "images", "iiit5k", "sample")  # of a dataset; the first that an entry has is used


class ConfigError(ValueError):
    """Every fault of a config, one line each."""

    def __init__(self, faults: Iterable[str]) -> None:
        super().__init__("the configuration has faults:\n" + "\n".join(f"  - {fault}" for fault in faults))


def drop_nulls(value: Any) -> Any:
    """Remove keys whose value is null, at every depth: how an overlay takes an entry away."""
    if isinstance(value, dict):
        return {key: drop_nulls(item) for key, item in value.items() if item is not None}
    return value


def check_schema(config: Config, schema: Config) -> None:
    """Raise ConfigError listing every place where `config` breaks `schema`: the key, its value and what is allowed."""
    errors = sorted(Draft202012Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.path)))
    if errors:
        raise ConfigError(_explain(error) for error in errors)


def _explain(error: ValidationError) -> str:
    key = ".".join(map(str, error.absolute_path)) or "the configuration"
    schema: Any = error.schema
    allowed: Any = error.validator_value
    value: Any = error.instance
    match error.validator:
        case "additionalProperties":
            known = schema.get("properties", {})
            unknown = sorted(set(value) - set(known))
            return f"{key}: unknown key {', '.join(map(repr, unknown))}; allowed: {', '.join(known)}"
        case "required":
            missing = sorted(set(allowed) - set(value))
            return f"{key}: missing key {', '.join(map(repr, missing))}"
        case "pattern":
            return f"{key}: {value!r} is not a valid name or value; expected a match of {allowed}"
        case "minProperties":
            return f"{key}: is empty; expected at least {allowed} entry"
    meaning = schema.get("description", "")
    return f"{key} is {value!r}; expected {_expected(str(error.validator), allowed, error.message)}" + (
        f" ({meaning})" if meaning else ""
    )


def _expected(rule: str, allowed: Any, message: str) -> str:
    match rule:
        case "enum":
            return f"one of {', '.join(map(str, allowed))}"
        case "type":
            return f"a value of type {allowed}"
        case "minimum" | "minItems":
            return f"at least {allowed}" + (" items" if rule == "minItems" else "")
        case "maximum" | "maxItems":
            return f"at most {allowed}" + (" items" if rule == "maxItems" else "")
        case "exclusiveMinimum":
            return f"more than {allowed}"
        case "minLength":
            return "a text that is not empty"
    return message


def check_references(config: Config, runtimes: list[str], from_weights: list[str]) -> None:
    """Raise ConfigError where a deployment names what does not exist, or a dataset has more than one source.

    `from_weights` are those of the runtimes that build from a checkpoint; the others build from an ONNX file.
    """
    faults = []
    for name, dataset in config["datasets"].items():
        given = [source for source in SOURCES if source in dataset]
        if not given:
            faults.append(f"datasets.{name}: has no words; expected one source of {', '.join(SOURCES)}")
        if len([source for source in given if source != "lmdb"]) > 1:
            faults.append(
                f"datasets.{name}: has {' and '.join(given)}; expected one source (and at most an lmdb beside it)"
            )
    for name, deployment in config["deployments"].items():
        key, runtime, widths = f"deployments.{name}", deployment["runtime"], deployment["widths"]
        if runtime not in runtimes:
            faults.append(f"{key}.runtime is {runtime!r}; expected one of {', '.join(runtimes)}")
        if widths not in config["widths"]:
            faults.append(
                f"{key}.widths is {widths!r}; expected one of {', '.join(config['widths'])} (the keys of widths)"
            )
        source = deployment["source"]
        if (runtime in from_weights) != (source == "checkpoint"):
            takers = ", ".join(from_weights)
            faults.append(f"{key}.source is {source!r}; {takers} take checkpoint, every other runtime raw or fixed")
        if "surgery" in deployment and source != "fixed":
            faults.append(f"{key}.source is {source!r}; with passes of its own (surgery) it is fixed")
    faults += _planning_faults(config)
    if all("skip" in deployment for deployment in config["deployments"].values()):
        faults.append("deployments: every one has skip; a report needs one that is run")
    for name, recipe in config["training"].items():
        if config["widths"].get(recipe["widths"], {}).get("rule") not in ("aspect", "fixed"):
            known = [key for key, widths in config["widths"].items() if widths["rule"] in ("aspect", "fixed")]
            faults.append(
                f"training.{name}.widths is {recipe['widths']!r}; expected one of {', '.join(known)} (aspect or fixed)"
            )
    if faults:
        raise ConfigError(faults)


def planned_widths(config: Config) -> Config:
    """The entries of widths that are planned, by name."""
    return {name: entry for name, entry in config["widths"].items() if entry["rule"] == "planned"}


def _planning_faults(config: Config) -> Iterator[str]:
    """What keeps planned widths from being planned."""
    planned, planning = planned_widths(config), config["planning"]
    for name, entry in planned.items():
        key, on = f"widths.{name}", entry["deployment"]
        named = {
            "deployments": [on],
            "models": [entry["model"]] if "model" in entry else [],
            "datasets": entry.get("datasets", []),
        }
        for section, names in named.items():
            for unknown in (each for each in names if each not in config[section]):
                yield f"{key} names {unknown!r}; expected one of {', '.join(config[section])} (the keys of {section})"
        if config["deployments"].get(on, {}).get("widths") in planned:
            yield f"{key}.deployment is {on!r}, whose own widths are planned; name one with another rule"
        low, high, step = entry["min"], entry["max"], entry["step"]
        if high < low or (high - low) % step:
            yield f"{key} plans widths from {low} to {high}; expected max - min to be a multiple of step, {step}"
        if low < min(planning["widths"]) or high > max(planning["widths"]):
            yield f"{key} plans widths from {low} to {high}; planning.widths has to reach from one to the other"
    # Plans are tuned on words of their own, never on those of a dataset.
    for name, dataset in config["datasets"].items() if planned else ():
        if "lmdb" in planning and dataset.get("lmdb") == planning["lmdb"]:
            yield f"planning.lmdb is {planning['lmdb']!r}, as datasets.{name}.lmdb; expected words that are not scored"
        if "lmdb" not in planning and dataset.get("sample", {}).get("seed") == planning["seed"]:
            yield f"planning.seed is {planning['seed']}, as datasets.{name}.sample.seed; expected another"


QUANTISED = ("int8", "uint8")  # forms whose files follow from a calibration
OPSET_OF_SCALES = 13  # the first in which a scale may have an axis


def check_precisions(config: Config, offered: dict[str, dict[str, str]]) -> None:
    """Raise ConfigError where a deployment asks for a precision that its runtime does not have, or that cannot be made.

    `offered`: runtime → precision → form of the model file.
    """
    faults = []
    for name, deployment in config["deployments"].items():
        key, precision, known = f"deployments.{name}", deployment["precision"], offered[deployment["runtime"]]
        if precision not in known:
            faults.append(
                f"{key}.precision is {precision!r}; expected one of {', '.join(known)} "
                f"(what {deployment['runtime']} has)"
            )
            continue
        if known[precision] == "fp32":
            continue
        if deployment["source"] != "fixed":
            faults.append(f"{key}.source is {deployment['source']!r}; in {precision} it is fixed")
        if known[precision] in QUANTISED:
            faults += [
                f"models.{model}.opset is {entry['opset']}; "
                f"expected {OPSET_OF_SCALES} ({key}.precision is {precision!r})"
                for model, entry in config["models"].items()
                if entry["opset"] < OPSET_OF_SCALES
            ]
    if faults:
        raise ConfigError(faults)


def trained_weights(name: str) -> str:
    """Where the checkpoint of the recipe `name` lands."""
    return f"results/training/{name}/weights.safetensors"


def check_files(config: Config, root: Path) -> None:
    """Raise ConfigError where a file that the config names does not exist.

    Snakemake would go on with what an earlier run left of it, and report the old words under the new name.
    Relative paths start from the working directory; checkpoints also from `root`, where the shipped ones are. What
    `training` names is left to the rules that read it: a report needs none of it.
    """
    faults = []
    for name, dataset in config["datasets"].items():
        if "lmdb" in dataset:
            data = Path(dataset["lmdb"]) / "data.mdb"
            if not data.is_file():
                faults.append(
                    f"datasets.{name}.lmdb is {dataset['lmdb']!r}; expected an LMDB folder, but there is no {data}"
                )
            continue
        for source in ("images", "iiit5k"):
            for key in ("folder", "labels", "archive"):
                path = dataset.get(source, {}).get(key)
                if path is not None and not Path(path).exists():
                    faults.append(f"datasets.{name}.{source}.{key} is {path!r}, which does not exist")
    tuning = config["planning"].get("lmdb")
    if tuning is not None and not (Path(tuning) / "data.mdb").is_file():
        faults.append(f"planning.lmdb is {tuning!r}; expected an LMDB folder, but it has no data.mdb")
    previous = config.get("report", {}).get("previous")
    if previous is not None:
        faults += _previous_faults(Path(previous))
    words = config["calibration"].get("lmdb")
    if words is not None and not (Path(words) / "data.mdb").is_file():
        faults.append(f"calibration.lmdb is {words!r}; expected an LMDB folder, but there is no {words}/data.mdb")
    made = {trained_weights(name) for name in config["training"]}
    for name, model in config["models"].items():
        path = model["checkpoint"]
        if path not in made and not (Path(path).is_file() or (root / path).is_file()):
            faults.append(f"models.{name}.checkpoint is {path!r}, which does not exist")
    if faults:
        raise ConfigError(faults)


def _previous_faults(report: Path) -> list[str]:
    """What is wrong with the earlier report that report.previous names."""
    if report.resolve() == Path("results/report/report.json").resolve():
        return [f"report.previous is {str(report)!r}, which this run writes; keep a copy of its folder and name that"]
    lost = [str(path) for path in (report, report.with_name("readings.parquet")) if not path.is_file()]
    return [f"report.previous is {str(report)!r}, but there is no {' and no '.join(lost)}"] if lost else []
